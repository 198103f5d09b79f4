// Command probe asks an external scaler what KEDA's operator asks it, with the code of KEDA that does so there. What
// comes back is printed as JSON, one object a line:
//
//	probe ask    ADDRESS [NAME=VALUE]...   {"spec":…}, {"value":…} and {"active":…}, once
//	probe follow ADDRESS [NAME=VALUE]...   {"active":…,"at_ms":…} each time that activity is pushed, until it is killed
//
// NAME=VALUE is metadata of the trigger. An error ends it with exit code 1.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("usage: probe ask|follow ADDRESS [NAME=VALUE]...")
	}
	metadata := map[string]string{"scalerAddress": arguments[1]}
	for _, pair := range arguments[2:] {
		name, value, _ := strings.Cut(pair, "=")
		metadata[name] = value
	}
	config := &scalersconfig.ScalerConfig{
		ScalableObjectName:      "probe",
		ScalableObjectNamespace: "default",
		ScalableObjectType:      "ScaledObject",
		TriggerMetadata:         metadata,
		AuthParams:              map[string]string{},
		GlobalHTTPTimeout:       5 * time.Second,
	}
	switch arguments[0] {
	case "ask":
		return ask(config)
	case "follow":
		return follow(config)
	}
	return fmt.Errorf("neither ask nor follow: %s", arguments[0])
}

func ask(config *scalersconfig.ScalerConfig) error {
	scaler, err := scalers.NewExternalScaler(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer scaler.Close(ctx)
	specs := scaler.GetMetricSpecForScaling(ctx)
	if len(specs) == 0 {
		return errors.New("no metric is specified")
	}
	for _, spec := range specs {
		say(map[string]any{"spec": spec})
		values, active, err := scaler.GetMetricsAndActivity(ctx, spec.External.Metric.Name)
		if err != nil {
			return err
		}
		for _, value := range values {
			say(map[string]any{"name": value.MetricName, "value": value.Value.AsApproximateFloat64()})
		}
		say(map[string]any{"active": active})
	}
	return nil
}

func follow(config *scalersconfig.ScalerConfig) error {
	scaler, err := scalers.NewExternalPushScaler(config)
	if err != nil {
		return err
	}
	ctx := context.Background()
	defer scaler.Close(ctx)
	pushed := make(chan bool)
	go scaler.Run(ctx, pushed)
	for active := range pushed {
		say(map[string]any{"active": active, "at_ms": time.Now().UnixMilli()})
	}
	return errors.New("the stream ended")
}

func say(line map[string]any) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		panic(err)
	}
}

//! Keys: from the bytes of a terminal, and what they do.

use crate::demo::model::{Action, Snapshot};

use super::ViewState;

/// A key that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// With Ctrl held; the letter is lower case.
    Ctrl(char),
    /// An arrow.
    Up,
    /// An arrow.
    Down,
    /// To the next one.
    Tab,
    /// To the one before (Shift-Tab).
    BackTab,
    /// Escape.
    Esc,
}

/// What `key` does: it changes `state`, or becomes an action.
///
/// While the help is open, any key but those that quit closes it and does nothing else.
pub fn key(key: Key, state: &mut ViewState, snapshot: &Snapshot) -> Option<Action> {
    let key = match key {
        Key::Char(letter) => Key::Char(letter.to_ascii_lowercase()),
        other => other,
    };
    if matches!(key, Key::Char('q') | Key::Ctrl('c')) {
        return Some(Action::Quit);
    }
    if state.help {
        state.help = false;
        return None;
    }
    let agents = snapshot.agents.len();
    let selected = state.selected.min(agents.saturating_sub(1));
    let on_selected = |action: fn(usize) -> Action| (agents > 0).then(|| action(selected));
    match key {
        Key::Char('b') => on_selected(Action::Burst),
        Key::Char('k') => on_selected(Action::Kill),
        Key::Char('a') => Some(Action::ToggleActuation),
        Key::Char('p') => Some(Action::NextPreset),
        Key::Char('?') => {
            state.help = true;
            None
        }
        Key::Up | Key::BackTab => select(state, agents, selected + agents.saturating_sub(1)),
        Key::Down | Key::Tab => select(state, agents, selected + 1),
        Key::Char(digit @ '1'..='9') => {
            let place = digit as usize - '1' as usize;
            if place < agents { select(state, agents, place) } else { None }
        }
        Key::Char(_) | Key::Ctrl(_) | Key::Esc => None,
    }
}

fn select(state: &mut ViewState, agents: usize, place: usize) -> Option<Action> {
    state.selected = place % agents.max(1);
    None
}

/// Finds keys in what a terminal sends. A sequence may come in pieces; one that means nothing here is passed over.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// After ESC.
    Escape,
    /// After `ESC [`: parameters, then a letter.
    Control,
    /// After `ESC O`: one letter.
    Single,
}

impl Decoder {
    /// The keys that `bytes` complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        bytes.iter().filter_map(|byte| self.step(*byte)).collect()
    }

    /// Nothing came for a while: an ESC that waits for its sequence was the key itself.
    pub(super) fn silence(&mut self) -> Option<Key> {
        (std::mem::take(&mut self.state) == State::Escape).then_some(Key::Esc)
    }

    fn step(&mut self, byte: u8) -> Option<Key> {
        let (next, key) = match (self.state, byte) {
            (State::Plain | State::Escape, 0x1b) => (State::Escape, (self.state == State::Escape).then_some(Key::Esc)),
            (State::Plain, _) => (State::Plain, plain(byte)),
            (State::Escape, b'[') => (State::Control, None),
            (State::Escape, b'O') => (State::Single, None),
            (State::Control, 0x20..=0x3f) => (State::Control, None),
            (State::Control, b'Z') => (State::Plain, Some(Key::BackTab)),
            (State::Control | State::Single, b'A') => (State::Plain, Some(Key::Up)),
            (State::Control | State::Single, b'B') => (State::Plain, Some(Key::Down)),
            // Alt with a letter, and keys that mean nothing here.
            (State::Escape | State::Control | State::Single, _) => (State::Plain, None),
        };
        self.state = next;
        key
    }
}

fn plain(byte: u8) -> Option<Key> {
    match byte {
        b'\t' => Some(Key::Tab),
        0x01..=0x1a => Some(Key::Ctrl((byte - 1 + b'a') as char)),
        b' '..=b'~' => Some(Key::Char(byte as char)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::model::Agent;

    #[test]
    fn keys_are_found_in_bytes() {
        let cases: [(&[u8], &[Key]); 9] = [
            (b"bQ?", &[Key::Char('b'), Key::Char('Q'), Key::Char('?')]),
            (b"\x03", &[Key::Ctrl('c')]),
            (b"\x1b[A\x1b[B", &[Key::Up, Key::Down]),
            (b"\x1bOA\x1bOB", &[Key::Up, Key::Down]),
            (b"\t\x1b[Z", &[Key::Tab, Key::BackTab]),
            (b"\x1b[1;5A", &[Key::Up]),
            (b"\x1b[<64;10;20Mq", &[Key::Char('q')]),
            (b"\x1bbk", &[Key::Char('k')]),
            ("é\u{1f600}a".as_bytes(), &[Key::Char('a')]),
        ];
        for (bytes, want) in cases {
            assert_eq!(Decoder::default().feed(bytes), want, "{bytes:?} at once");
            let mut decoder = Decoder::default();
            let one_by_one: Vec<Key> = bytes.iter().flat_map(|byte| decoder.feed(&[*byte])).collect();
            assert_eq!(one_by_one, want, "{bytes:?} one by one");
            assert_eq!(decoder.silence(), None, "{bytes:?}");
        }
    }

    #[test]
    fn escape_is_a_key_once_nothing_follows() {
        let mut decoder = Decoder::default();
        assert_eq!((decoder.feed(b"\x1b"), decoder.silence(), decoder.silence()), (vec![], Some(Key::Esc), None));
        assert_eq!((decoder.feed(b"\x1b\x1b"), decoder.silence()), (vec![Key::Esc], Some(Key::Esc)));
        assert_eq!(
            (decoder.feed(b"\x1b["), decoder.silence(), decoder.feed(b"q")),
            (vec![], None, vec![Key::Char('q')])
        );
    }

    #[test]
    fn keys_act_on_the_selected_agent() {
        let snapshot = Snapshot { agents: vec![Agent::default(); 4], ..Snapshot::default() };
        let cases = [
            (Key::Char('b'), Some(Action::Burst(2)), 2),
            (Key::Char('B'), Some(Action::Burst(2)), 2),
            (Key::Char('k'), Some(Action::Kill(2)), 2),
            (Key::Char('a'), Some(Action::ToggleActuation), 2),
            (Key::Char('p'), Some(Action::NextPreset), 2),
            (Key::Char('q'), Some(Action::Quit), 2),
            (Key::Ctrl('c'), Some(Action::Quit), 2),
            (Key::Ctrl('b'), None, 2),
            (Key::Char('x'), None, 2),
            (Key::Esc, None, 2),
            (Key::Up, None, 1),
            (Key::BackTab, None, 1),
            (Key::Down, None, 3),
            (Key::Char('1'), None, 0),
            (Key::Char('4'), None, 3),
            (Key::Char('5'), None, 2),
        ];
        for (pressed, action, selected) in cases {
            let mut state = ViewState { selected: 2, ..ViewState::default() };
            assert_eq!(key(pressed, &mut state, &snapshot), action, "{pressed:?}");
            assert_eq!(state, ViewState { selected, ..ViewState::default() }, "{pressed:?}");
        }
    }

    #[test]
    fn the_selection_goes_round_and_needs_an_agent() {
        let of = |agents| Snapshot { agents: vec![Agent::default(); agents], ..Snapshot::default() };
        for (agents, selected, pressed, want) in
            [(3, 2, Key::Down, 0), (3, 0, Key::Up, 2), (3, 9, Key::Up, 1), (1, 0, Key::Down, 0), (0, 0, Key::Up, 0)]
        {
            let mut state = ViewState { selected, ..ViewState::default() };
            assert_eq!(key(pressed, &mut state, &of(agents)), None);
            assert_eq!(state.selected, want, "{pressed:?} at {selected} of {agents}");
        }
        let mut state = ViewState::default();
        assert_eq!(key(Key::Char('b'), &mut state, &of(0)), None);
        assert_eq!(key(Key::Char('k'), &mut state, &of(0)), None);
        state.selected = 7;
        assert_eq!(key(Key::Char('b'), &mut state, &of(3)), Some(Action::Burst(2)));
    }

    #[test]
    fn help_opens_and_any_key_closes_it() {
        let snapshot = Snapshot { agents: vec![Agent::default()], ..Snapshot::default() };
        let mut state = ViewState::default();
        assert_eq!(key(Key::Char('?'), &mut state, &snapshot), None);
        assert!(state.help);
        assert_eq!(key(Key::Char('k'), &mut state, &snapshot), None, "it closes the help and kills nothing");
        assert!(!state.help);
        state.help = true;
        assert_eq!(key(Key::Ctrl('c'), &mut state, &snapshot), Some(Action::Quit));
    }
}

//! A terminal for tests: it does what a drawing may ask of one, and refuses everything else.

/// Rows without a bottom, and a cursor.
pub(super) struct Terminal {
    rows: Vec<Vec<char>>,
    cursor: (usize, usize),
    width: usize,
    wraps: bool,
}

impl Terminal {
    pub fn new(width: usize) -> Self {
        Self { rows: vec![vec![]], cursor: (0, 0), width, wraps: true }
    }

    /// What is seen, without what is blank at the end.
    pub fn text(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(|row| row.iter().collect()).collect();
        rows.iter().map(|row: &String| row.trim_end()).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    pub const fn cursor(&self) -> (usize, usize) {
        self.cursor
    }

    pub const fn wraps(&self) -> bool {
        self.wraps
    }

    /// Makes it narrower or wider: rows that have no room any more go on in others, and the cursor stays with its row's beginning.
    pub fn resize(&mut self, width: usize) {
        assert_eq!(self.cursor.1, 0, "the cursor rests at a beginning");
        self.width = width;
        let (mut rows, before) = (Vec::new(), self.cursor.0);
        for (index, row) in self.rows.iter().enumerate() {
            if index == before {
                self.cursor.0 = rows.len();
            }
            rows.extend(row.chunks(width).map(<[char]>::to_vec));
            if row.is_empty() {
                rows.push(vec![]);
            }
        }
        self.rows = rows;
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).expect("whole characters");
        let mut rest = text.chars();
        while let Some(next) = rest.next() {
            match next {
                '\r' => self.cursor.1 = 0,
                '\n' => self.down(),
                '\u{1b}' => {
                    let sequence: String = rest.clone().take_while(|c| !c.is_ascii_alphabetic()).collect();
                    let skipped = sequence.chars().count();
                    let last = rest.nth(skipped).expect("a whole sequence");
                    self.obey(&sequence, last);
                }
                control if control.is_control() => panic!("{control:?} in {text:?}"),
                shown => self.put(shown),
            }
        }
    }

    fn obey(&mut self, sequence: &str, last: char) {
        let (row, column) = self.cursor;
        match (sequence, last) {
            ("[", 'K') => self.rows[row].truncate(column),
            ("[", 'J') => {
                self.rows[row].truncate(column);
                self.rows.truncate(row + 1);
            }
            ("[?7", 'l') => self.wraps = false,
            ("[?7", 'h') => self.wraps = true,
            (number, 'A') => {
                let up: usize = number[1..].parse().expect("a number of rows");
                self.cursor.0 = row.checked_sub(up).expect("no further than the top");
            }
            (_, 'm') => {}
            other => panic!("asked for {other:?}"),
        }
    }

    fn down(&mut self) {
        self.cursor.0 += 1;
        if self.cursor.0 == self.rows.len() {
            self.rows.push(vec![]);
        }
    }

    fn put(&mut self, c: char) {
        if self.cursor.1 == self.width {
            match self.wraps {
                true => {
                    self.cursor.1 = 0;
                    self.down();
                }
                false => self.cursor.1 -= 1,
            }
        }
        let row = &mut self.rows[self.cursor.0];
        if row.len() <= self.cursor.1 {
            row.resize(self.cursor.1 + 1, ' ');
        }
        row[self.cursor.1] = c;
        self.cursor.1 += 1;
    }
}

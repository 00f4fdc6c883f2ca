//! Numbers as text, for the lines of listings: there are thousands of them, and the formatting of the standard library
//! would take longer than all else about a line.

/// No number has more digits: so many has the largest in octal.
const LONGEST: usize = 22;

/// Appends a number in decimal digits.
pub(super) fn decimal(number: u64, out: &mut Vec<u8>) {
    right::<10>(number, 1, out);
}

/// Appends a number in octal digits.
pub(super) fn octal(number: u64, out: &mut Vec<u8>) {
    right::<8>(number, 1, out);
}

/// Appends a number in hexadecimal digits.
pub(super) fn hexadecimal(number: u64, out: &mut Vec<u8>) {
    right::<16>(number, 1, out);
}

/// Appends a decimal number behind blanks, of this width together.
pub(super) fn decimal_to_the_right(number: u64, width: usize, out: &mut Vec<u8>) {
    right::<10>(number, width, out);
}

/// Appends a decimal number before blanks, of this width together.
pub(super) fn decimal_to_the_left(number: u64, width: usize, out: &mut Vec<u8>) {
    let end = out.len() + width;
    decimal(number, out);
    out.resize(end.max(out.len()), b' ');
}

/// Appends two digits of a number below 100.
pub(super) fn two_digits(number: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'0' + number / 10 % 10, b'0' + number % 10]);
}

fn right<const RADIX: u64>(mut number: u64, width: usize, out: &mut Vec<u8>) {
    let mut text = [b' '; LONGEST];
    let mut length = 0;
    for place in text.iter_mut().rev() {
        let digit = (number % RADIX) as u8;
        *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        length += 1;
        number /= RADIX;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(text.get(LONGEST.saturating_sub(length.max(width))..).unwrap_or(&text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_the_standard_library_formats_them() {
        let text = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = b"<".to_vec();
            write(&mut out);
            String::from_utf8(out).unwrap()
        };
        let powers = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit]);
        let tens = (0..20).flat_map(|zeros| [10u64.pow(zeros) - 1, 10u64.pow(zeros)]);
        for number in powers.chain(tens).chain([u64::from(u32::MAX), u64::MAX - 1, u64::MAX]) {
            assert_eq!(text(&|out| decimal(number, out)), format!("<{number}"));
            assert_eq!(text(&|out| octal(number, out)), format!("<{number:o}"));
            assert_eq!(text(&|out| hexadecimal(number, out)), format!("<{number:x}"));
            for width in [0, 1, 3, 8, 19, 20, 22] {
                assert_eq!(text(&|out| decimal_to_the_right(number, width, out)), format!("<{number:>width$}"));
                assert_eq!(text(&|out| decimal_to_the_left(number, width, out)), format!("<{number:<width$}"));
            }
        }
        for number in 0..100 {
            assert_eq!(text(&|out| two_digits(number, out)), format!("<{number:02}"));
        }
    }
}

//! Small systems of linear equations.

/// Solves `matrix` x = `right` for a symmetric positive definite matrix of a few rows.
///
/// Elimination without exchange of rows is stable for such a matrix: Golub and Van Loan, "Matrix computations", 4.2.
pub(super) fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for pivot in 0..n {
        let (done, below) = matrix.split_at_mut(pivot + 1);
        let row = &done[pivot];
        for (i, lower) in below.iter_mut().enumerate() {
            let factor = lower[pivot] / row[pivot];
            lower.iter_mut().zip(row).for_each(|(lower, upper)| *lower -= factor * upper);
            right[pivot + 1 + i] -= factor * right[pivot];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_made_system() {
        // 4x + 2y = 10 and 2x + 3y = 9: x = 1.5, y = 2.
        let got = solve(vec![vec![4.0, 2.0], vec![2.0, 3.0]], vec![10.0, 9.0]);
        assert!((got[0] - 1.5).abs() < 1e-14 && (got[1] - 2.0).abs() < 1e-14);
        assert!(solve(vec![], vec![]).is_empty());
    }
}

//! Small systems of linear equations.

/// Solves `matrix` x = `right` for a symmetric positive definite matrix of a few rows.
///
/// Elimination without exchange of rows is stable for such a matrix: Golub and Van Loan, "Matrix computations", 4.2.
pub(super) fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for pivot in 0..n {
        for row in pivot + 1..n {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            for column in pivot..n {
                matrix[row][column] -= factor * matrix[pivot][column];
            }
            right[row] -= factor * right[pivot];
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

namespace PdEngine;

/// <summary>
/// The order of the rows of gate and up in one matrix: 16 of gate, 16 of up, and so on, so that a tile of a
/// product has both of its columns. The last runs are filled up with zeros.
/// </summary>
internal static class GatedRows
{
    /// <summary>Rows of gate, then of up, that lie together.</summary>
    public const int RunRows = 16;

    /// <summary>Rows of the matrix for so many of gate, and of up.</summary>
    public static int CountOf(int inner) => (inner + RunRows - 1) / RunRows * RunRows * 2;

    /// <summary>Where a row of gate lies; that of up is <see cref="RunRows"/> further.</summary>
    public static int IndexOf(int row) => row + (row / RunRows * RunRows);

    /// <summary>Fails unless a gated product can have this output.</summary>
    public static void CheckFits(Tensor input, Matrix weight, Tensor? bias, Tensor output)
    {
        Check.That(input.Columns == weight.Columns && weight.Rows == CountOf(output.Columns));
        Check.That(output.Rows == input.Rows && (bias is null || bias.Columns == weight.Rows));
        // What the zeros give lies between a row's columns and its end.
        Check.That(output.Stride >= weight.Rows / 2 && !output.IsView);
    }
}

using System.Globalization;

namespace PdEngine.Bench;

/// <summary>The figures that matter most, and what they should be: printed last, out of the report.</summary>
internal static class CheckTargets
{
    private static readonly (string Row, string Figure, double Least)[] Figures =
    [
        ("kernel/attention decode 64/8 of 128 64x8192", "share_of_copy", 0.8),
        ("kernel/attention decode 32/8 of 128 64x2048", "share_of_copy", 0.8),
        ("kernel/attention decode 32/8 of 128 1x32768", "share_of_copy", 0.8),
        ("kernel/attention prefill 32/8 of 128 1x8192", "tflops", 280),
        ("kernel/attention prefill 32/8 of 128 1x8192", "torch_ratio", 0),
        ("kernel/matmul 1x4096x28672/1 gate+up", "share_of_copy", 0.8),
        ("kernel/matmul 64x4096x28672/1 gate+up", "cublaslt_ratio", 0),
        ("kernel/matmul 8192x4096x28672/1 gate+up", "cublaslt_ratio", 0),
        ("kernel/matmul 8192x4096x28672/1 gate+up", "tflops", 0),
        ("kernel/matmul 8192x14336x4096/4 down", "cublaslt_ratio", 0),
        ("model/llama-1b decode-64-512", "share_of_roofline", 0.8),
        ("model/qwen3-4b decode-64-512", "share_of_roofline", 0.8),
        ("model/llama-8b decode-64-512", "share_of_roofline", 0.8),
        ("model/llama-8b decode-64-4096", "share_of_roofline", 0.8),
        ("model/llama-8b prefill-8192", "share_of_roofline", 0),
    ];

    /// <summary>Rows that have such figures.</summary>
    public static IEnumerable<string> Rows => Figures.Select(figure => figure.Row);

    /// <summary>Those of a stage first that say most, in the order they have otherwise.</summary>
    public static IEnumerable<CheckCase> First(IEnumerable<CheckCase> cases) =>
        cases.OrderBy(one => IsFirst(one.Name) ? 0 : 1);

    /// <summary>Whether a row has a target or stands beside one that has.</summary>
    public static bool IsFirst(string row)
    {
        if (Rows.Contains(row))
            return true;
        string[] words = row.Split(' ');
        return words switch
        {
            ["kernel/attention", "decode", "32/8" or "64/8", "of", "128", var size] =>
                size.StartsWith("64x", StringComparison.Ordinal),
            ["kernel/matmul", var size, _] => Products.Contains(size),
            _ => row.StartsWith("verify/parity", StringComparison.Ordinal),
        };
    }

    private static readonly HashSet<string> Products =
    [
        .. from rows in (int[])[64, 4096]
           from product in CheckModel.Llama8B.Products()
           select $"{rows}x{product.Columns}x{product.Outputs}/{product.Segments}",
    ];

    /// <summary>A line for each that was measured; one without a least value has no target.</summary>
    public static IEnumerable<string> Lines(CheckJournal journal)
    {
        foreach ((string row, string figure, double least) in Figures)
        {
            if (journal.Figure(row, figure) is not { } value)
                continue;
            string line = string.Create(CultureInfo.InvariantCulture, $"{row}: {figure} {value:G4}");
            string target = string.Create(CultureInfo.InvariantCulture, $" of {least:G4}");
            yield return least == 0 ? line : $"{line}{target}{(value < least ? ": MISSED" : "")}";
        }
    }
}

using Spectre.Console;

namespace PdEngine.Bench;

/// <summary>Prints the rows of <c>bench kernels</c>, a table an instruction set, and writes them as
/// JSON.</summary>
internal static class KernelReport
{
    public static void Print(IAnsiConsole console, IReadOnlyList<KernelRow> rows)
    {
        foreach (IGrouping<(string Isa, int Threads), KernelRow> part
            in rows.GroupBy(row => (row.Isa, row.Threads)))
        {
            Table table = BenchReport.TableOf(
                $"{part.Key.Isa}, {part.Key.Threads} threads, {part.First().Dtype}",
                "op", "of", "phase", "batch", "rows", "context", "us", "GFLOP/s", "GB/s", "FLOP/byte",
                "limits", "bound by", "share of limit");
            foreach (KernelRow row in part)
            {
                table.AddRow(
                    row.Op, row.Name, row.Phase, $"{row.Batch}", $"{row.Tokens}", $"{row.Context}",
                    $"{row.Seconds * 1e6:F1}", $"{row.FlopsPerSecond / 1e9:F1}",
                    $"{row.BytesPerSecond / 1e9:F1}", $"{row.Intensity:F2}",
                    BenchReport.LimitsOf(row.Limits), row.BoundBy, $"{row.ShareOfLimit * 100:F0}%");
            }
            console.Write(table);
        }
        double moved = rows.Max(row => row.LimitMovement);
        if (moved > RowMeasure.AllowedMovement)
            console.WriteLine($"The limits of some rows moved by up to {moved * 100:F0}%; see the JSON.");
    }

    public static void WriteJson(Stream target, IReadOnlyList<KernelRow> rows) =>
        BenchReport.WriteRows(target, rows, (json, row) =>
        {
            json.WriteString("op", row.Op);
            json.WriteNumber("seconds", row.Seconds);
            json.WriteNumber("flops_per_byte", row.Intensity);
        });
}

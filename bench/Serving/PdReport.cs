using Spectre.Console;

namespace PdEngine.Bench;

/// <summary>A load's figures for people: what clients saw, then hand-offs, ratios and the machine.</summary>
internal static class PdReport
{
    public static void Print(IAnsiConsole console, PdResult result)
    {
        console.Write(Clients(result));
        console.Write(HandOffs(result));
        foreach (PdRow row in result.Rows.Where(row => !row.IsAsNamed))
            console.WriteLine($"{row.Arm.Name}: nothing was handed off; its figures are a colocated run's.");
        foreach (PdTarget target in PdTarget.Of(result))
        {
            console.WriteLine(
                $"{target.Arm}: {target.Text}: {target.Figure}, {(target.IsMet ? "met" : "missed")}");
        }
        console.WriteLine($"outputs identical across arms: "
            + $"{(result.Difference is { } difference ? $"no: {difference}" : "yes")}");
    }

    private static Table Clients(PdResult result)
    {
        Table table = BenchReport.TableOf(
            $"{result.Load.Name}: {result.Model}, {result.Settings.Threads} threads, {result.Load.Title}",
            "arm", "TTFT p50 s", "p99 s", "ITL p50 ms", "p99 ms", "max ms",
            $"stalled > {result.Settings.StallSeconds:0.###} s", "tokens/s", "min..max", "with prompts",
            "wall s", "cached");
        foreach (PdRow row in result.Rows)
        {
            PdFigures figures = row.Figures;
            table.AddRow(
                row.Arm.Name,
                $"{figures.FirstTokenSeconds.At(0.5):F3}", $"{figures.FirstTokenSeconds.At(0.99):F3}",
                $"{figures.GapSeconds.At(0.5) * 1e3:F1}", $"{figures.GapSeconds.At(0.99) * 1e3:F1}",
                $"{figures.GapSeconds.Max * 1e3:F1}", $"{figures.StalledShare * 100:F1}%",
                $"{figures.TokensPerSecond:F1}",
                row.RunCount == 1 ? "" : $"{row.MinTokensPerSecond:F1}..{row.MaxTokensPerSecond:F1}",
                $"{figures.TotalTokensPerSecond:F1}", $"{figures.WallSeconds:F2}",
                $"{figures.CachedShare * 100:F1}%");
        }
        return table;
    }

    private static Table HandOffs(PdResult result)
    {
        Table table = BenchReport.TableOf(
            $"{result.Load.Name}: hand-offs, times better than {PdArm.Reference}, and the machine's limits",
            "arm", "hand-offs", "p50 ms", "p99 ms", "with step p50", "blocks", "copied MB", "longest gap",
            "stalled", "with prompts/s", "before", "after");
        foreach (PdRow row in result.Rows)
        {
            PdFigures figures = row.Figures;
            bool some = figures.HandoffSeconds.Count > 0;
            PdFigures? chunked = result.Reference?.Figures;
            table.AddRow(
                row.Arm.Name,
                row.Arm.IsDisaggregated ? $"{figures.HandoffSeconds.Count}" : "",
                some ? $"{figures.HandoffSeconds.At(0.5) * 1e3:F3}" : "",
                some ? $"{figures.HandoffSeconds.At(0.99) * 1e3:F3}" : "",
                some ? $"{figures.HandoffQueueSeconds.At(0.5) * 1e3:F1}" : "",
                some ? $"{figures.HandoffBlocks}" : "", some ? $"{figures.TransferBytes / 1e6:F1}" : "",
                Ratio(chunked?.GapSeconds.Max, figures.GapSeconds.Max),
                Ratio(chunked?.StalledShare, figures.StalledShare),
                Ratio(figures.TotalTokensPerSecond, chunked?.TotalTokensPerSecond),
                row.Median.Before.Short(), row.Median.After.Short());
        }
        return table;
    }

    private static string Ratio(double? above, double? below) =>
        above is not { } numerator || below is not { } denominator ? ""
        : denominator > 0 ? $"{numerator / denominator:F2}x"
        : numerator > 0 ? "none" : "";
}

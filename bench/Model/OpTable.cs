using Spectre.Console;

namespace PdEngine.Bench;

/// <summary>What the ops of a row cost.</summary>
/// <param name="Row">Measured apart, without clocks between the ops.</param>
/// <param name="Costs">Of all runs; medians of the calls.</param>
/// <param name="Runs">How many they were.</param>
internal sealed record OpTable(BenchRow Row, IReadOnlyList<OpCost> Costs, int Runs)
{
    public void Print(IAnsiConsole console)
    {
        Table table = BenchReport.TableOf(
            $"{Row.Name}: ops of a run of {Row.Seconds * 1e3:F2} ms",
            "op", "calls", "us a call", "ms a run", "share", "GFLOP/s", "GB/s", "share of limit");
        double all = Costs.Sum(cost => cost.Seconds);
        foreach (OpCost cost in Costs.OrderByDescending(cost => cost.Seconds))
        {
            double least = Math.Max(
                cost.Flops / Row.Limits.FlopsPerSecond, cost.Bytes / Row.Limits.BytesPerSecond);
            table.AddRow(
                cost.Name, $"{cost.Calls / Runs}", $"{cost.Seconds / cost.Calls * 1e6:F1}",
                $"{cost.Seconds / Runs * 1e3:F3}", $"{cost.Seconds / all * 100:F1}%",
                $"{cost.Flops / cost.Seconds / 1e9:F1}", $"{cost.Bytes / cost.Seconds / 1e9:F1}",
                $"{least / cost.Seconds * 100:F0}%");
        }
        table.AddRow("all", "", "", $"{all / Runs * 1e3:F3}", "", "", "", "");
        console.Write(table);
    }
}

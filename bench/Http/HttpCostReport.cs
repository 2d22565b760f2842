using Spectre.Console;

namespace PdEngine.Bench;

/// <summary>Prints the rows of <c>bench http</c> and writes them in the fields of all benchmarks.</summary>
internal static class HttpCostReport
{
    public static void Print(IAnsiConsole console, string title, IReadOnlyList<HttpCostRow> rows)
    {
        Table table = BenchReport.TableOf(
            title, "arm", "tokens/s", "cost", "least", "most", "CPU us/token", "events/token", "bytes/token",
            "limits moved");
        foreach (HttpCostRow row in rows)
        {
            table.AddRow(
                row.Name, $"{row.TokensPerSecond:F0}", $"{row.Cost * 100:F1}%", $"{row.LeastCost * 100:F1}%",
                $"{row.MostCost * 100:F1}%", $"{row.CpuUsPerToken:F2}", $"{row.EventsPerToken:F2}",
                $"{row.BytesPerToken:F0}", $"{row.LimitMovement * 100:F0}%");
        }
        console.Write(table);
    }

    public static void WriteJson(Stream target, IReadOnlyList<HttpCostRow> rows) =>
        BenchReport.WriteJson(target, rows, (json, row) =>
        {
            BenchReport.WriteFields(json, row);
            json.WriteNumber("cost", row.Cost);
            json.WriteNumber("least_cost", row.LeastCost);
            json.WriteNumber("most_cost", row.MostCost);
            json.WriteNumber("cpu_us_per_token", row.CpuUsPerToken);
            json.WriteNumber("events_per_token", row.EventsPerToken);
            json.WriteNumber("bytes_per_token", row.BytesPerToken);
        });
}

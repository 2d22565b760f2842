using Spectre.Console;

namespace PdEngine.Bench;

/// <summary>Prints what int8 costs, and writes it as JSON.</summary>
internal static class Int8PriceReport
{
    public static void Print(IAnsiConsole console, string title, IReadOnlyList<Int8PriceRow> rows)
    {
        Table table = BenchReport.TableOf(
            title, "dtype", "isa", "positions", "mean |difference|", "max", "mean to own bf16", "perplexity",
            "greedy answers equal", "tokens before a difference");
        foreach (Int8PriceRow row in rows)
        {
            table.AddRow(
                row.Dtype, row.Isa, $"{row.Positions}", $"{row.MeanDifference:F4}",
                $"{row.MaxDifference:F3}", $"{row.MeanDifferenceToBf16:F4}", $"{row.Perplexity:F3}",
                $"{row.SameChats} of {row.Chats}", $"{row.SameTokens * 100:F0}%");
        }
        console.Write(table);
    }

    public static void WriteJson(Stream target, IReadOnlyList<Int8PriceRow> rows) =>
        BenchReport.WriteJson(target, rows, (json, row) =>
        {
            json.WriteString("dtype", row.Dtype);
            json.WriteString("isa", row.Isa);
            json.WriteNumber("positions", row.Positions);
            json.WriteNumber("mean_logprob_difference", row.MeanDifference);
            json.WriteNumber("max_logprob_difference", row.MaxDifference);
            json.WriteNumber("mean_logprob_difference_to_bf16", row.MeanDifferenceToBf16);
            json.WriteNumber("perplexity", row.Perplexity);
            json.WriteNumber("chats", row.Chats);
            json.WriteNumber("equal_greedy_answers", row.SameChats);
            json.WriteNumber("equal_greedy_token_share", row.SameTokens);
        });
}

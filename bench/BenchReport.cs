using System.Text.Json;
using Spectre.Console;

namespace PdEngine.Bench;

/// <summary>Prints rows as a table for people and writes them as JSON for machines.</summary>
internal static class BenchReport
{
    public static void Print(IAnsiConsole console, string title, IReadOnlyList<BenchRow> rows, string peer)
    {
        Table table = TableOf(
            title, "row", "phase", "batch", "tokens", "context", "tokens/s", "GFLOP/s", "GB/s", "limits",
            "bound by", "share of limit", "limits moved", peer, "ratio");
        foreach (BenchRow row in rows)
        {
            bool hasPeer = row.PeerTokensPerSecond > 0;
            table.AddRow(
                row.Name, row.Phase, $"{row.Batch}", $"{row.Tokens}", $"{row.Context}",
                $"{row.TokensPerSecond:F1}", $"{row.FlopsPerSecond / 1e9:F1}",
                $"{row.BytesPerSecond / 1e9:F1}", LimitsOf(row.Limits), row.BoundBy,
                $"{row.ShareOfLimit * 100:F0}%", MovementOf(row),
                hasPeer ? $"{row.PeerTokensPerSecond:F1}" : "peer missing",
                hasPeer ? $"{row.TokensPerSecond / row.PeerTokensPerSecond:F2}x" : "");
        }
        console.Write(table);
    }

    /// <summary>The limits in a cell, with float32 FMA where the row's arithmetic is another.</summary>
    public static string LimitsOf(LimitReading limits)
    {
        string fma = limits.FlopsPerSecond == limits.FmaFlopsPerSecond
            ? ""
            : $" (FMA {limits.FmaFlopsPerSecond / 1e9:F0})";
        return $"{limits.FlopsPerSecond / 1e9:F0}{fma} GFLOP/s, {limits.BytesPerSecond / 1e9:F1} GB/s";
    }

    /// <summary>A table of figures: columns as wide as their longest cell, to the right.</summary>
    public static Table TableOf(string title, params ReadOnlySpan<string> columns)
    {
        Table table = new() { Title = new TableTitle(Markup.Escape(title)) };
        foreach (string column in columns)
            table.AddColumn(Markup.Escape(column), made => made.NoWrap().RightAligned());
        return table;
    }

    /// <summary>Writes an array of rows; absent numbers are 0.</summary>
    public static void WriteJson(Stream target, IReadOnlyList<BenchRow> rows) =>
        WriteRows(target, rows, (_, _) => { });

    /// <summary>The same of rows with more fields than every benchmark's.</summary>
    public static void WriteRows<T>(Stream target, IReadOnlyList<T> rows, Action<Utf8JsonWriter, T> more)
        where T : BenchRow => WriteJson(target, rows, (json, row) =>
        {
            WriteFields(json, row);
            more(json, row);
        });

    /// <summary>Writes an array with an object for each row.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="rows">Of any benchmark.</param>
    /// <param name="write">Writes the fields of a row's object.</param>
    public static void WriteJson<T>(Stream target, IReadOnlyList<T> rows, Action<Utf8JsonWriter, T> write)
    {
        using Utf8JsonWriter json = new(target, new JsonWriterOptions { Indented = true });
        json.WriteStartArray();
        foreach (T row in rows)
        {
            json.WriteStartObject();
            write(json, row);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>The fields that rows of every benchmark have.</summary>
    public static void WriteFields(Utf8JsonWriter json, BenchRow row)
    {
        json.WriteString("phase", row.Phase);
        json.WriteString("dtype", row.Dtype);
        json.WriteString("isa", row.Isa);
        json.WriteNumber("threads", row.Threads);
        json.WriteNumber("batch", row.Batch);
        json.WriteNumber("tokens", row.Tokens);
        json.WriteNumber("context", row.Context);
        json.WriteNumber("tokens_per_second", row.TokensPerSecond);
        json.WriteNumber("flops_per_second", row.FlopsPerSecond);
        json.WriteNumber("bytes_per_second", row.BytesPerSecond);
        json.WriteNumber("limit_flops_per_second", row.Limits.FlopsPerSecond);
        json.WriteNumber("limit_bytes_per_second", row.Limits.BytesPerSecond);
        json.WriteString("bound_by", row.BoundBy);
        json.WriteNumber("share_of_limit", row.ShareOfLimit);
        json.WriteString("row", row.Name);
        json.WriteNumber("limit_fma_flops_per_second", row.Limits.FmaFlopsPerSecond);
        json.WriteNumber("limit_movement", row.LimitMovement);
        json.WriteNumber("runs", row.Runs);
        json.WriteNumber("attempts", row.Attempts);
        json.WriteNumber("peer_tokens_per_second", row.PeerTokensPerSecond);
    }

    private static string MovementOf(BenchRow row) =>
        $"{row.LimitMovement * 100:F0}%" + (row.Attempts > 1 ? $" of {row.Attempts} tries" : "");
}

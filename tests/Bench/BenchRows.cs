using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>What every benchmark's JSON promises.</summary>
internal static class BenchRows
{
    private static readonly string[] Texts = ["phase", "dtype", "isa", "bound_by"];

    private static readonly string[] Numbers =
    [
        "threads", "batch", "tokens", "context", "tokens_per_second", "flops_per_second", "bytes_per_second",
        "limit_flops_per_second", "limit_bytes_per_second", "share_of_limit",
    ];

    /// <summary>Runs a benchmark with its JSON in a file.</summary>
    public static async Task<(PdEngineRun Run, JsonElement[] Rows)> RunAsync(params string[] flags)
    {
        string json = Path.Combine(TestFiles.Scratch($"bench-{Guid.NewGuid():N}"), "rows.json");
        PdEngineRun run = await PdEngineRun.HereAsync(["bench", .. flags, "--json", json]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        JsonElement[] rows = [.. PdEngineRun.Json(await File.ReadAllTextAsync(json)).EnumerateArray()];
        foreach (JsonElement row in rows)
            AssertFields(row);
        return (run, rows);
    }

    /// <summary>Every field is there, of its kind, and a number where nothing was measured is 0.</summary>
    public static void AssertFields(JsonElement row)
    {
        foreach (string name in Texts)
            Assert.That(row.GetProperty(name).ValueKind, Is.EqualTo(JsonValueKind.String), name);
        foreach (string name in Numbers)
            Assert.That(row.GetProperty(name).GetDouble(), Is.Not.Negative, name);
        Assert.That(row.GetProperty("phase").GetString(), Is.AnyOf(
            "prefill", "decode", "mixed", "update", "rollout", "http"));
    }

    /// <summary>The figures agree with each other.</summary>
    public static void AssertMeasured(JsonElement row)
    {
        double seconds = Of(row, "tokens") / Of(row, "tokens_per_second");
        double flops = Of(row, "flops_per_second") * seconds / Of(row, "limit_flops_per_second");
        double bytes = Of(row, "bytes_per_second") * seconds / Of(row, "limit_bytes_per_second");
        double share = Math.Max(flops, bytes) / seconds;
        Assert.That(Of(row, "share_of_limit"), Is.EqualTo(share).Within(1e-6).Percent);
        Assert.That(row.GetProperty("bound_by").GetString(), Is.EqualTo(flops > bytes ? "flops" : "bytes"));
    }

    public static double Of(JsonElement row, string name) => row.GetProperty(name).GetDouble();
}

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PdEngine.Bench;

/// <summary>
/// PyTorch on the same shapes, where a python3 here has it: one process for all of them, whose times are one
/// row of the report that the other rows look up.
/// </summary>
internal sealed class TorchPeer(CheckJournal journal, CheckSettings settings)
{
    private const string Row = "peer/torch";
    private const int Seconds = 40;

    private readonly List<string> _jobs = [];

    public void AddMatMul(int rows, int columns, int outputs) => _jobs.Add(new JsonObject
    {
        ["kind"] = "matmul", ["name"] = NameOf(rows, columns, outputs), ["rows"] = rows,
        ["columns"] = columns, ["outputs"] = outputs,
    }.ToJsonString());

    public void AddAttention(AttentionShape shape, int batch, int queries, int keys) => _jobs.Add(
        new JsonObject
        {
            ["kind"] = "attention", ["name"] = NameOf(shape, batch, queries, keys), ["batch"] = batch,
            ["queries"] = queries, ["keys"] = keys, ["heads"] = shape.HeadCount,
            ["kv_heads"] = shape.KvHeadCount, ["head_dim"] = shape.HeadDim,
        }.ToJsonString());

    /// <summary>The row that all of it is run in.</summary>
    public CheckCase Case() => new(Row, Run);

    /// <summary>Adds PyTorch's time to a row of ours, and how much faster we are.</summary>
    public CheckRow AddTo(CheckRow row, string name, double seconds) =>
        journal.Figure(Row, $"{name} us") is { } us
            ? row.With("torch_us", us).With("torch_ratio", us * 1e-6 / seconds)
            : row.Noted("peer missing");

    public static string NameOf(int rows, int columns, int outputs) => $"matmul {rows}x{columns}x{outputs}";

    public static string NameOf(AttentionShape shape, int batch, int queries, int keys) =>
        $"attention {shape.HeadCount}/{shape.KvHeadCount} of {shape.HeadDim} {batch}x{queries}x{keys}";

    private CheckRow Run()
    {
        CheckRow row = new(Row);
        if (!settings.RunsPeers)
            return row.Missing("not asked for");
        using Stream script = typeof(TorchPeer).Assembly.GetManifestResourceStream("peer.py")!;
        using StreamReader reader = new(script);
        (int code, string text) = ChildProcess.Run(
            new ProcessStartInfo(
                settings.Python,
                [
                    "-c", reader.ReadToEnd(), Seconds.ToString(CultureInfo.InvariantCulture),
                    $"{settings.Gpu}",
                ]),
            Seconds + 30, string.Join('\n', First().Concat(_jobs).Distinct()));
        if (code == ChildProcess.NotThere)
            return row.Missing($"no Python: {text}");
        int made = 0;
        foreach (string line in text.Split('\n').Where(line => line.StartsWith('{')))
            made += Take(row, line) ? 1 : 0;
        if (made > 0)
            return row.Noted($"{made} of {_jobs.Distinct().Count()} shapes");
        return row.Missing($"no PyTorch: {text.ReplaceLineEndings(" ")[..Math.Min(200, text.Length)]}");
    }

    /// <summary>What rows that have targets stand beside; all of it may take longer than there is.</summary>
    private IEnumerable<string> First() => _jobs.Where(
        job => job.Contains("32/8 of 128 1x8192x8192", StringComparison.Ordinal)
            || job.Contains("32/8 of 128 64x", StringComparison.Ordinal)
            || job.Contains("matmul 64x", StringComparison.Ordinal)
            || job.Contains("matmul 4096x", StringComparison.Ordinal)
            || job.Contains("matmul 8192x", StringComparison.Ordinal));

    private static bool Take(CheckRow row, string line)
    {
        JsonElement said;
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            said = document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return false;
        }
        if (said.TryGetProperty("torch", out JsonElement version))
            row.Noted($"PyTorch {version.GetString()}");
        if (!said.TryGetProperty("us", out JsonElement us))
            return false;
        row.With($"{said.GetProperty("name").GetString()} us", us.GetDouble());
        return true;
    }
}

using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>This very program under compute-sanitizer, where it is: some rows of verify, at toy
/// sizes.</summary>
internal sealed class SanitizerTrials(CheckSettings settings)
{
    private const int TimeoutSeconds = 90;
    private const int MostLogCharacters = 1 << 20;
    private const string Mark = "========= ";

    /// <summary>One of every kernel; engines would take too long.</summary>
    private const string Rows = "/embed,/gather,/add,/rms,/matmul,/sample,/attention,/copy";

    private static readonly string[] Places =
    [
        "/usr/local/cuda/bin", "/usr/local/cuda/compute-sanitizer", "/opt/nvidia/compute-sanitizer",
        "/usr/bin",
    ];

    public IEnumerable<CheckCase> Cases()
    {
        foreach (string tool in (string[])["memcheck", "racecheck", "synccheck"])
            yield return new($"verify/sanitizer {tool}", () => Run(tool));
    }

    private CheckRow Run(string tool)
    {
        CheckRow row = new($"verify/sanitizer {tool}");
        string? sanitizer = Find();
        if (!settings.RunsPeers || sanitizer is null || Environment.ProcessPath is not { } self)
            return row.Missing("compute-sanitizer is not here");
        string folder = Directory.CreateTempSubdirectory("gpu-check").FullName;
        ProcessStartInfo start = new(
            sanitizer, ["--tool", tool, "--error-exitcode", "9", self, .. ArgumentsOf(settings, folder)]);
        try
        {
            (int code, string text) = ChildProcess.Run(start, TimeoutSeconds);
            string log = Path.Combine(settings.OutFolder, $"sanitizer-{tool}.log");
            File.WriteAllText(log, text[..Math.Min(text.Length, MostLogCharacters)]);
            string[] said =
                [.. text.Split('\n').Where(line => line.StartsWith(Mark, StringComparison.Ordinal))];
            string end = $"{string.Join(" | ", said.Skip(1).Take(8))} ... {log}";
            return code switch
            {
                0 => row.Noted(said.LastOrDefault() ?? ""),
                // Not a finding: some hosts do not let it at the device.
                _ when text.Contains("not supported", StringComparison.OrdinalIgnoreCase) =>
                    row.Missing($"compute-sanitizer refuses this device: {end}"),
                ChildProcess.TimedOut => row.Missing($"not done in {TimeoutSeconds} s: {end}"),
                _ => row.Failed($"{tool} ended with {code}: {end}"),
            };
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Of this program, for the same GPU with the same kernels.</summary>
    public static IEnumerable<string> ArgumentsOf(CheckSettings settings, string outFolder) =>
    [
        "verify", "--toy", "--no-peers", "--alone", "--only", Rows, "--out", outFolder,
        "--gpu", $"{settings.Gpu}",
        .. settings.DriverPath is { } driver ? (string[])["--driver", driver] : [],
        .. settings.ImagesFolder is { } images ? (string[])["--images", images] : [],
    ];

    private static string? Find() => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
        .Concat(Places)
        .Select(place => Path.Combine(place, "compute-sanitizer"))
        .FirstOrDefault(File.Exists);
}

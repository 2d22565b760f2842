using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace PdEngine.Tests;

/// <summary>Engines on plans with prefill and decode apart, and what the same requests get without.</summary>
internal static partial class PdRig
{
    public const int Page = 16;

    private static readonly ConcurrentDictionary<string, Lazy<Task<Generation[]>>> Alone = new();

    /// <summary>Requests that differ in everything; their prompts are a few blocks.</summary>
    public static GenerateRequest[] Mixed { get; } =
    [
        .. EngineRig.Requests(64, seed: 5).Select((request, index) => request with
        {
            Sampling = index % 5 != 0 ? request.Sampling : request.Sampling with
            {
                Stop = ["th", "é", .. "abcdefghijklmnopqrst".Select(letter => $"{letter}")],
                NoStopTrim = index % 2 == 0,
            },
        }),
    ];

    /// <summary>Backends of this machine whose speed allows runs of many requests.</summary>
    public static IEnumerable<string> Backends() =>
        TestBackends.Names().Where(name => name != CpuIsaSupport.NameOf(CpuIsa.AmxEmulated));

    /// <summary>
    /// A plan from its groups: <c>1Px2+3D</c> is one prefill worker of two devices and three decode workers
    /// of one each, R a regular worker.
    /// </summary>
    /// <param name="shape">The groups.</param>
    /// <param name="overrides">Of every group, as YAML members.</param>
    /// <param name="folder">The checkpoint; absent: the tiny one.</param>
    public static Topology Plan(string shape, string overrides = "", string? folder = null)
    {
        StringBuilder yaml = new("sglang:\n  - name: m\n    server_groups:\n");
        foreach (string group in shape.Split('+'))
            yaml.Append("      - ").Append(Group(group, overrides)).Append('\n');
        return Plans.Of(yaml.ToString(), new TopologyFlags { HfCheckpoint = folder ?? EngineRig.Folder() });
    }

    /// <summary>One server group as a YAML mapping.</summary>
    public static string Group(string text, string overrides = "")
    {
        Match match = GroupText().Match(text);
        Assert.That(match.Success, text);
        int workers = int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        int ranks = match.Groups[3].Success
            ? int.Parse(match.Groups[3].ValueSpan, CultureInfo.InvariantCulture)
            : 1;
        string type = match.Groups[2].Value switch { "P" => "prefill", "D" => "decode", _ => "regular" };
        return $"{{worker_type: {type}, num_gpus: {workers * ranks}, num_gpus_per_engine: {ranks}, "
            + $"overrides: {{{Impatient(overrides)}}}}}";
    }

    /// <summary>A step that hangs is given up soon, so that the test fails instead of waiting.</summary>
    private static string Impatient(string overrides) =>
        overrides.Contains("watchdog_timeout", StringComparison.Ordinal) ? overrides
        : overrides.Length == 0 ? "watchdog_timeout: 60"
        : $"watchdog_timeout: 60, {overrides}";

    public static EngineOptions Options(
        string shape, DisaggregateMode mode, KvDomainKind domain, string backend = "", string overrides = "",
        string? folder = null) => On(EngineRig.Options(folder), backend) with
        {
            Topology = Plan(shape, overrides, folder), PageSize = Page,
            Disaggregate = mode, KvDomain = domain,
        };

    /// <summary>The options on the named backend; the test is skipped where it cannot run.</summary>
    public static EngineOptions On(EngineOptions options, string backend)
    {
        if (backend.Length == 0)
            return options;
        TestBackends.Require(backend);
        return backend == "reference"
            ? options with { Backend = BackendKind.Reference }
            : options with { Isa = CpuIsaSupport.All.Single(isa => CpuIsaSupport.NameOf(isa) == backend) };
    }

    /// <summary>
    /// What requests get one by one on one worker that caches nothing; worked out once for each first use.
    /// </summary>
    public static async Task<Generation[]> AloneAsync(
        string backend, GenerateRequest[] requests, string? folder = null)
    {
        EngineOptions options = On(EngineRig.Options(folder), backend) with { MaxTotalTokens = 8192 };
        if (requests != Mixed)
            return await EngineRig.OneByOneAsync(options, requests);
        string key = $"{backend} {options.ModelPath}";
        return await Alone.GetOrAdd(key, _ => new(() => EngineRig.OneByOneAsync(options, requests))).Value;
    }

    /// <summary>
    /// What decoded went this way; what ended with its first token never left the worker that made it.
    /// </summary>
    public static void AssertPath(IEnumerable<Generation> generations, PdPath path, string what)
    {
        int decoded = 0;
        foreach (Generation one in generations)
        {
            Assert.That(one.FailureCount, Is.Zero, $"{what}, {one.Id}: a worker failed");
            if (one.OutputIds.Count <= 1)
            {
                Assert.That(one.PdPath, Is.EqualTo(PdPath.Local), $"{what}, {one.Id}: one token");
                Assert.That(one.PdReason, Is.EqualTo(PdReasons.NothingToDecode), $"{what}, {one.Id}");
                Assert.That(one.PrefillWorker, Does.StartWith("prefill-"), what);
                continue;
            }
            decoded++;
            Assert.That(one.PdPath, Is.EqualTo(path), $"{what}, {one.Id}: {one.PdReason}");
            Assert.That(one.PdReason, Is.EqualTo(PdReasons.Always), $"{what}, {one.Id}");
            Assert.That(one.PrefillWorker, Does.StartWith("prefill-"), what);
            Assert.That(one.DecodeWorker, Does.StartWith("decode-"), what);
            Assert.That(one.HandoffBlocks, Is.GreaterThan(0), what);
        }
        Assert.That(decoded, Is.GreaterThan(0), what);
    }

    public static PdPath PathOf(KvDomainKind domain) =>
        domain == KvDomainKind.Host ? PdPath.Handoff : PdPath.Copy;

    /// <summary>Every phase is some time, and together they are the whole.</summary>
    public static void AssertTimes(IEnumerable<Generation> generations, string what)
    {
        foreach (Generation one in generations)
        {
            PhaseTimings times = one.Timings;
            long[] parts =
            [
                times.PrefillQueueNs, times.PrefillForwardNs, times.TransferQueueNs, times.DecodeAllocWaitNs,
                times.DecodeTransferNs, times.DecodeForwardNs,
            ];
            Assert.That(parts, Has.All.GreaterThanOrEqualTo(0), what);
            // Each part is cut to a nanosecond, the whole to TimeSpan's hundred.
            Assert.That(times.TotalNs - one.EndToEndTime.TotalNanoseconds, Is.InRange(-107, 107),
                $"{what}, {one.Id}: {times} of {one.EndToEndTime}");
        }
    }

    /// <summary>Every block comes back once nothing runs and the cache is emptied.</summary>
    public static async Task AssertAllFreeAsync(Engine engine, string what)
    {
        DateTime end = DateTime.UtcNow.AddSeconds(60);
        while (true)
        {
            engine.FlushCache();
            bool isFree = engine.Models.All(model => model.Metrics.FreeBlocks == model.Metrics.TotalBlocks);
            KvLeakReport[] reports = [.. engine.Models.Select(model => model.LeakReport())];
            if (isFree && reports.All(one => one is { Holders: 0, ChargedBlocks: 0, QuarantinedBlocks: 0 }))
                return;
            Assert.That(DateTime.UtcNow, Is.LessThan(end),
                () => $"{what}: {engine.Metrics}; {string.Join("; ", reports.AsEnumerable())}");
            await Task.Delay(1);
        }
    }

    public static WorkerStatus Worker(Engine engine, string name) =>
        engine.Models[0].Workers.Single(worker => worker.Name == name);

    /// <summary>Waits, busily, until something holds; false when the tasks have all ended before.</summary>
    public static bool WaitFor(Func<bool> holds, IEnumerable<Task> unless)
    {
        Task all = Task.WhenAll(unless);
        while (!all.IsCompleted)
        {
            if (holds())
                return true;
            Thread.Yield();
        }
        return false;
    }

    [GeneratedRegex("^([0-9]+)([PDR])(?:x([0-9]+))?$")]
    private static partial Regex GroupText();
}

using System.Globalization;

namespace PdEngine.Host;

/// <summary>
/// Reads from the last half minute of a service what it has too little of and what it has too much of.
/// </summary>
internal static class Sizing
{
    public const double WindowSeconds = 30;

    /// <summary>Shorter than this the numbers say nothing yet.</summary>
    public const double LeastSeconds = 5;

    private const double Full = 0.9;
    private const double Busy = 0.85;
    private const double Rests = 0.5;
    private const double Waiting = 0.5;
    private const double MuchOfARequest = 0.2;

    /// <summary>The most pressing first; none where all is well.</summary>
    public static IReadOnlyList<Advice> Of(LoadWindow window)
    {
        List<Advice> found = [.. Dead(window)];
        if (window.Last.IsPaused)
        {
            found.Add(new("paused", true, "The service is paused: nothing computes.",
                "POST /continue_generation lets it go on."));
            return found;
        }
        Advice?[] rules =
        [
            MemoryFull(window), PrefillShort(window), DecodeShort(window), RunningLimit(window),
            AllBusy(window), HandoffSlow(window),
        ];
        found.AddRange(rules.OfType<Advice>());
        return [.. found.OrderByDescending(advice => advice.IsUrgent)];
    }

    private static IEnumerable<Advice> Dead(LoadWindow window) =>
        window.Last.View.Workers.Where(worker => !worker.Status.IsAlive).Select(worker => new Advice(
            "dead", true,
            $"Worker {worker.Status.Name} has failed: {Fields.Short(worker.Status.Failure ?? "")}",
            "Its requests went to the others. Restart the server, and report the message."));

    private static Advice? MemoryFull(LoadWindow window)
    {
        double held = window.MeanHeldPart, retractions = window.RetractionsPerMinute;
        if (retractions >= 1)
        {
            return new("kv-retractions", true,
                $"KV {Percent(held)} full and {Number(retractions)} retractions/min: sequences give their "
                + "blocks up and are computed again.",
                "Raise --max-total-tokens or --mem-fraction-static, or lower --max-running-requests.");
        }
        if (held < Full || window.MeanQueued < Waiting)
            return null;
        return new("kv-full", true,
            $"KV {Percent(held)} full while {Number(window.MeanQueued)} requests wait for blocks.",
            "Raise --max-total-tokens or --mem-fraction-static; asking for fewer tokens "
            + "(max_tokens) also lets more in.");
    }

    private static Advice? PrefillShort(LoadWindow window)
    {
        if (window.BusyPart(WorkerType.Prefill) is not >= Busy
            || window.BusyPart(WorkerType.Decode) is not { } decode || decode > Rests
            || window.MeanQueued < Waiting || window.MeanHeldPart >= Full)
        {
            return null;
        }
        return new("prefill-short", true,
            $"Decode workers wait for prefill {Percent(1 - decode)} of the time, while "
            + $"{Number(window.MeanQueued)} prompts queue.", Move(window, WorkerType.Decode, "prefill"));
    }

    private static Advice? DecodeShort(LoadWindow window)
    {
        if (window.BusyPart(WorkerType.Decode) is not >= Busy
            || window.BusyPart(WorkerType.Prefill) is not { } prefill || prefill > Rests)
        {
            return null;
        }
        string waiting = window.MeanArrived >= Waiting
            ? $"{Number(window.MeanArrived)} handed-over sequences wait for a place"
            : "every token takes its turn with more sequences than need be";
        return new("decode-short", window.MeanArrived >= Waiting,
            $"Prefill workers rest {Percent(1 - prefill)} of the time, while decode workers are busy and "
            + $"{waiting}.", Move(window, WorkerType.Prefill, "decode"));
    }

    private static Advice? RunningLimit(LoadWindow window)
    {
        double waiting = window.MeanQueued + window.MeanArrived;
        WorkerView? full = window.Last.View.Workers.FirstOrDefault(
            worker => worker.Status.IsAlive && worker.Status.Decoding >= worker.MaxRunning);
        if (full is null || waiting < Waiting || window.MeanHeldPart >= Full)
            return null;
        return new("running-limit", true,
            $"{full.Status.Name} runs the most sequences that it may ({full.MaxRunning}) and "
            + $"{Number(waiting)} wait, with KV {Percent(window.MeanHeldPart)} full.",
            "Raise --max-running-requests.");
    }

    private static Advice? AllBusy(LoadWindow window)
    {
        WorkerView[] alive = [.. window.Last.View.Workers.Where(worker => worker.Status.IsAlive)];
        if (alive.Length == 0 || alive.Any(worker => window.BusyPart(worker) < Busy)
            || window.MeanQueued < Waiting || window.MeanHeldPart >= Full)
        {
            return null;
        }
        return new("all-busy", false,
            $"Every worker is busy and {Number(window.MeanQueued)} requests wait: this is what the machine "
            + $"gives, {Number(window.OutputTokensPerSecond)} tokens/s.",
            "Add cores, GPUs or another node; fewer requests at once lower the time to first token.");
    }

    private static Advice? HandoffSlow(LoadWindow window)
    {
        if (window.Last.Handoff.P95 is not { } slow || window.Last.HandoffPart is not { } part
            || slow < 20 || part < MuchOfARequest)
        {
            return null;
        }
        return new("handoff-slow", false,
            $"Hand-offs take {Percent(part)} of the time of the requests that are handed over, and one in 20 "
            + $"takes {Number(slow)} ms or more: a decode worker takes sequences up between two steps.",
            "Fewer sequences on each decode worker make its steps shorter: add decode workers, or lower "
            + "--max-running-requests.");
    }

    /// <summary>Who has one worker only cannot give one away.</summary>
    private static string Move(LoadWindow window, WorkerType from, string to)
    {
        string name = from == WorkerType.Prefill ? "prefill" : "decode";
        int count = window.Alive(from).Count();
        bool hasGpus = window.Alive(from).Any(
            worker => worker.Devices.StartsWith("cuda", StringComparison.Ordinal));
        return count > 1
            ? $"Move a {(hasGpus ? "GPU" : "device")} from {name} ({count} workers) to {to}: "
                + "--prefill-num-servers, or num_gpus of the groups."
            : $"There is one {name} worker only: add devices to {to} (--rollout-num-gpus), or let every "
                + "worker do both, without --prefill-num-servers.";
    }

    private static string Percent(double part) =>
        string.Create(CultureInfo.InvariantCulture, $"{Math.Round(part * 100)}%");

    private static string Number(double value) => value.ToString(
        value is >= 10 or 0 ? "#,##0" : "0.#", CultureInfo.InvariantCulture);
}

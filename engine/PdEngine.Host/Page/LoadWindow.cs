namespace PdEngine.Host;

/// <summary>What a service did between the first and the last of some samples.</summary>
/// <param name="samples">Two or more, in order, without a gap.</param>
internal sealed class LoadWindow(IReadOnlyList<LoadSample> samples)
{
    private readonly LoadSample _first = samples[0];
    private readonly LoadSample _last = samples[^1];

    public LoadSample Last => _last;

    public double Seconds => Math.Max(0.001, (_last.TimeMs - _first.TimeMs) / 1e3);

    public double OutputTokensPerSecond => Rate(sample => sample.OutputTokens);

    public double PrefillTokensPerSecond => Rate(sample => sample.PrefillTokens);

    public double RequestsPerSecond => Rate(sample => sample.Ended.Requests);

    public double HandoffsPerSecond => Rate(sample => sample.Ended.Handoffs);

    public double TransferBytesPerSecond => Rate(sample => sample.Ended.TransferBytes);

    public double RetractionsPerMinute => Rate(sample => sample.Retractions) * 60;

    public double MeanQueued => samples.Average(sample => sample.Queued);

    /// <summary>Sequences that were handed over and wait for a place.</summary>
    public double MeanArrived => samples.Average(sample => sample.Arrived);

    public double MeanHeldPart => samples.Average(sample => sample.HeldPart);

    /// <summary>Of the prompt tokens, what the prefix cache supplied; null where there were none.</summary>
    public double? CachedPart
    {
        get
        {
            double cached = Rate(sample => sample.CachedTokens), computed = PrefillTokensPerSecond;
            return cached + computed > 0 ? cached / (cached + computed) : null;
        }
    }

    /// <summary>
    /// From one token of a sequence to its next, over all that decode; null where so few were made that it
    /// says nothing.
    /// </summary>
    public double? InterTokenMs
    {
        get
        {
            double rate = OutputTokensPerSecond;
            double decoding = samples.Average(sample => sample.Decoding);
            return decoding > 0 && rate * Seconds >= decoding ? decoding / rate * 1e3 : null;
        }
    }

    /// <summary>
    /// The last samples that lie within so long of the latest, without a gap; null where they are too few.
    /// </summary>
    public static LoadWindow? Of(IReadOnlyList<LoadSample> samples, double seconds)
    {
        int first = samples.Count - 1;
        while (first > 0 && samples[first].TimeMs - samples[first - 1].TimeMs is >= 0 and <= LoadHistory.GapMs
            && samples[^1].TimeMs - samples[first - 1].TimeMs <= seconds * 1e3)
        {
            first--;
        }
        return samples.Count - first < 2 ? null : new([.. samples.Skip(first)]);
    }

    /// <summary>Part of the time that a worker computed, from 0 to 1.</summary>
    public double BusyPart(WorkerView worker)
    {
        TimeSpan before = Before(worker)?.Busy ?? worker.Busy;
        return Math.Clamp((worker.Busy - before).TotalSeconds / Seconds, 0, 1);
    }

    /// <summary>The same of all that live and do this, on average; null where there are none.</summary>
    public double? BusyPart(WorkerType role)
    {
        double[] parts = [.. Alive(role).Select(BusyPart)];
        return parts.Length == 0 ? null : parts.Average();
    }

    public IEnumerable<WorkerView> Alive(WorkerType role) =>
        _last.View.Workers.Where(worker => worker.Status.IsAlive && worker.Status.Role == role);

    /// <summary>Prompt and output tokens that a worker computed, each second.</summary>
    public (double Prefill, double Output) TokensPerSecond(WorkerView worker)
    {
        WorkerStatus now = worker.Status, before = Before(worker)?.Status ?? now;
        return (Math.Max(0, now.PrefillTokens - before.PrefillTokens) / Seconds,
            Math.Max(0, now.OutputTokens - before.OutputTokens) / Seconds);
    }

    private WorkerView? Before(WorkerView worker) =>
        _first.View.Workers.FirstOrDefault(one => one.Status.Name == worker.Status.Name);

    /// <summary>A worker that was started anew counts from 0 again.</summary>
    private double Rate(Func<LoadSample, long> count)
    {
        long sum = 0;
        for (int i = 1; i < samples.Count; i++)
            sum += Math.Max(0, count(samples[i]) - count(samples[i - 1]));
        return sum / Seconds;
    }
}

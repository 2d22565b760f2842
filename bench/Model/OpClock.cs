using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>Adds up the time and the work of each kind of op.</summary>
internal class OpClock
{
    private readonly Dictionary<string, OpCost> _costs = [];

    /// <summary>In the order in which they were first met.</summary>
    public IReadOnlyCollection<OpCost> Costs => _costs.Values;

    public void Clear() => _costs.Clear();

    /// <summary>Times one op.</summary>
    /// <param name="op">Its kind.</param>
    /// <param name="flops">Its work.</param>
    /// <param name="bytes">What it must read and write.</param>
    /// <param name="run">The op.</param>
    public virtual void Time(string op, double flops, double bytes, Action run)
    {
        long start = Stopwatch.GetTimestamp();
        run();
        Add(op, flops, bytes, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>Adds what one op took.</summary>
    protected void Add(string op, double flops, double bytes, double seconds)
    {
        if (!_costs.TryGetValue(op, out OpCost? cost))
            _costs.Add(op, cost = new(op));
        cost.Add(seconds, flops, bytes);
    }
}

/// <summary>What one kind of op has cost.</summary>
internal sealed class OpCost(string name)
{
    private readonly List<double> _seconds = [];

    public string Name { get; } = name;

    public int Calls => _seconds.Count;

    /// <summary>
    /// As if every call had taken the median: a call whose core was taken away says nothing of the op.
    /// </summary>
    public double Seconds => new Quantiles(_seconds).At(0.5) * Calls;

    public double Flops { get; private set; }

    public double Bytes { get; private set; }

    public void Add(double seconds, double flops, double bytes)
    {
        _seconds.Add(seconds);
        Flops += flops;
        Bytes += bytes;
    }
}

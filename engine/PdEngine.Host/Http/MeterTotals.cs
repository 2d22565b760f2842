using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace PdEngine.Host;

/// <summary>
/// Sums up what the engine's meters say from the start on, so that it can be read at any time. Engines of one
/// process share their meter's name; services that are not this server's are left out.
/// </summary>
internal sealed class MeterTotals : IDisposable
{
    /// <summary>Upper bounds in seconds; one more counts all.</summary>
    public static readonly double[] BoundsSeconds = [.. EngineInstruments.BoundsSeconds];

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<(string Name, string Labels), Series> _series = new();
    private readonly ConcurrentDictionary<int, long> _answers = new();
    private readonly HashSet<string> _services;

    public MeterTotals(IEnumerable<string> services)
    {
        _services = [.. services];
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "PdEngine")
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>(
            (instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>(
            (instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>Answers so far by status.</summary>
    public IReadOnlyDictionary<int, long> Answers => _answers;

    /// <summary>Requests that were refused for their body, or since there was no room.</summary>
    public long Refused => _answers.Where(answers => answers.Key is 400 or 413 or 415 or 422 or 429 or 503)
        .Sum(answers => answers.Value);

    /// <summary>Counts an answer.</summary>
    public void Answered(int status) => _answers.AddOrUpdate(status, 1, (_, count) => count + 1);

    /// <summary>Reads the gauges, and gives every series by name and labels.</summary>
    public IReadOnlyList<(string Name, string Labels, Series Series)> Read()
    {
        foreach (Series series in _series.Values.Where(series => series.IsGauge))
            series.IsStale = true;
        _listener.RecordObservableInstruments();
        return [.. _series.Where(entry => !entry.Value.IsStale)
            .Select(entry => (entry.Key.Name, entry.Key.Labels, entry.Value))
            .OrderBy(entry => entry.Name, StringComparer.Ordinal)
            .ThenBy(entry => entry.Labels, StringComparer.Ordinal)];
    }

    public void Dispose() => _listener.Dispose();

    private void Add(
        Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        foreach ((string key, object? tag) in tags)
        {
            if (key == "model" && !_services.Contains(tag as string ?? ""))
                return;
        }
        Series series = _series.GetOrAdd(
            (instrument.Name, PrometheusText.Labels(tags)), _ => new(instrument));
        series.Add(value);
    }

    /// <summary>One instrument under one set of labels.</summary>
    internal sealed class Series(Instrument instrument)
    {
        private readonly Lock _gate = new();
        private readonly long[] _buckets = new long[BoundsSeconds.Length];
        private double _sum;
        private long _count;

        public string? Description => instrument.Description;

        public string? Unit => instrument.Unit;

        public bool IsGauge => instrument.IsObservable;

        public bool IsHistogram { get; } = instrument is Histogram<double>;

        /// <summary>Not seen when gauges were read last.</summary>
        public bool IsStale { get; set; }

        public void Add(double value)
        {
            lock (_gate)
            {
                IsStale = false;
                _sum = IsGauge ? value : _sum + value;
                _count++;
                if (!IsHistogram)
                    return;
                for (int i = 0; i < BoundsSeconds.Length; i++)
                    _buckets[i] += value <= BoundsSeconds[i] ? 1 : 0;
            }
        }

        /// <summary>Sum or value, count, and counts up to each bound.</summary>
        public (double Sum, long Count, long[] Buckets) Values()
        {
            lock (_gate)
                return (_sum, _count, [.. _buckets]);
        }
    }
}

using System.Collections.Concurrent;

namespace PdEngine.Host;

/// <summary>Every sample that a client waits for, so that it can be aborted by name.</summary>
internal sealed class LiveSamples
{
    private readonly ConcurrentDictionary<Sample, bool> _samples =
        new(ReferenceEqualityComparer.Instance);

    public int Count => _samples.Count;

    public void Add(Sample sample) => _samples[sample] = true;

    public void Remove(Sample sample) => _samples.TryRemove(sample, out _);

    /// <summary>Ends the samples of a request, or one of them; says how many there were.</summary>
    public int Abort(string name)
    {
        int count = 0;
        foreach (Sample sample in _samples.Keys)
        {
            if (sample.Name != name && sample.RequestName != name)
                continue;
            sample.Stream.Abort();
            count++;
        }
        return count;
    }
}

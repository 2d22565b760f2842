namespace PdEngine;

/// <summary>Which weights made which tokens of a sequence: runs, so that a step allocates nothing.</summary>
internal sealed class VersionRuns
{
    private readonly List<(WeightEpoch Epoch, int Tokens)> _runs = new(4);

    /// <summary>Tokens counted.</summary>
    public int TokenCount { get; private set; }

    /// <summary>What made the last token; null where there is none.</summary>
    public WeightEpoch? Last => _runs.Count == 0 ? null : _runs[^1].Epoch;

    /// <summary>One more token was made.</summary>
    public void Count(WeightEpoch epoch)
    {
        TokenCount++;
        if (ReferenceEquals(Last, epoch))
            _runs[^1] = (epoch, _runs[^1].Tokens + 1);
        else
            _runs.Add((epoch, 1));
    }

    /// <summary>Runs of versions; weights that were given back and read again have one name.</summary>
    public WeightVersionRun[] ToArray()
    {
        List<WeightVersionRun> runs = [];
        foreach ((WeightEpoch epoch, int tokens) in _runs)
        {
            if (runs.Count > 0 && runs[^1].Version == epoch.Version)
                runs[^1] = new(epoch.Version, runs[^1].Tokens + tokens);
            else
                runs.Add(new(epoch.Version, tokens));
        }
        return [.. runs];
    }
}

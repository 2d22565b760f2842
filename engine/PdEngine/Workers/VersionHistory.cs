using System.Globalization;

namespace PdEngine;

/// <summary>The versions that a service's weights have had, in order. Any thread may call it.</summary>
internal sealed class VersionHistory(string first)
{
    private readonly Lock _gate = new();
    private readonly List<string> _versions = [first];

    public string Current
    {
        get
        {
            lock (_gate)
                return _versions[^1];
        }
    }

    public int UpdateCount
    {
        get
        {
            lock (_gate)
                return _versions.Count - 1;
        }
    }

    /// <summary>The name of the next weights.</summary>
    /// <param name="asked">Or null.</param>
    /// <param name="baseVersion">What they build on, or null.</param>
    /// <param name="isUnseen">
    /// Nothing has been computed with the present ones, so that their name may pass on to others.
    /// </param>
    /// <exception cref="WeightUpdateException">They are not next.</exception>
    public string Next(string? asked, string? baseVersion, bool isUnseen = false)
    {
        lock (_gate)
        {
            string current = _versions[^1];
            if (baseVersion is not null && baseVersion != current)
            {
                throw new WeightUpdateException(
                    $"it builds on version '{Shown.Line(baseVersion)}', and the service has '{current}'");
            }
            if (asked is null)
                return NextNumber();
            if (isUnseen && asked == current)
                return asked;
            if (_versions.Contains(asked))
            {
                throw new WeightUpdateException($"version '{Shown.Line(asked)}' has been used before, and a "
                    + "name is used once, so that it means one state of the weights; the last one is "
                    + $"'{Shown.Line(current)}': a count that begins anew goes on at {NextNumber()}, and "
                    + "weights that come in parts under one name come while the service is paused");
            }
            ThrowIfOlder(asked);
            return asked;
        }
    }

    /// <summary>Weights of this version are there; of the present one, see <see cref="Next"/>.</summary>
    public void Add(string version)
    {
        lock (_gate)
        {
            if (_versions[^1] != version)
                _versions.Add(version);
        }
    }

    /// <summary>Updates since a version was the present one; null where it never was.</summary>
    public int? Since(string version)
    {
        lock (_gate)
        {
            int index = _versions.LastIndexOf(version);
            return index < 0 ? null : _versions.Count - 1 - index;
        }
    }

    /// <summary>Weights of this version or later ones are there.</summary>
    public bool HasReached(string version)
    {
        lock (_gate)
        {
            return _versions.Contains(version)
                || (TryNumber(version, out long wanted) && Highest() is { } now && wanted <= now);
        }
    }

    private static bool TryNumber(string version, out long number) =>
        long.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    /// <summary>Other words for a number, such as 06 or -1, would go round the order.</summary>
    private void ThrowIfOlder(string asked)
    {
        ReadOnlySpan<char> digits = asked.AsSpan().Trim().TrimStart("+-");
        if (digits.IsEmpty || digits.ContainsAnyExceptInRange('0', '9'))
            return;
        // The greatest has no next.
        if (!TryNumber(asked, out long number) || number == long.MaxValue
            || number.ToString(CultureInfo.InvariantCulture) != asked)
        {
            throw new WeightUpdateException(
                $"version '{Shown.Line(asked)}' is not a plain number: it has no sign and no leading zeros, "
                + "and is below 2^63 - 1");
        }
        if (Highest() is { } now && number <= now)
        {
            throw new WeightUpdateException(
                $"version {number} is older than the service's {now}: updates are applied in order");
        }
    }

    private long? Highest()
    {
        long? highest = null;
        foreach (string version in _versions)
        {
            if (TryNumber(version, out long used))
                highest = Math.Max(highest ?? used, used);
        }
        return highest;
    }

    private string NextNumber() => ((Highest() ?? 0) + 1).ToString(CultureInfo.InvariantCulture);
}

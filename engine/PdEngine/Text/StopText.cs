namespace PdEngine;

/// <summary>
/// Text under construction that ends before a stop string, and that never shows what may yet become one.
/// </summary>
internal sealed class StopText(IReadOnlyList<string> stops, bool keepStop)
{
    private readonly System.Text.StringBuilder _text = new();
    private readonly int _longest = stops.Count == 0 ? 0 : stops.Max(stop => stop.Length);

    /// <summary>Characters, from the start, that no later text can take back.</summary>
    public int SettledLength { get; private set; }

    /// <summary>Adds text. Returns the stop string it completed, the earliest in the text, or null.</summary>
    public string? Append(string text)
    {
        int before = _text.Length;
        _text.Append(text);
        if (_longest == 0)
        {
            SettledLength = _text.Length;
            return null;
        }
        int windowStart = Math.Max(0, before - _longest + 1);
        string window = _text.ToString(windowStart, _text.Length - windowStart);
        (int at, string? stop) = Earliest(window);
        if (stop is not null)
        {
            _text.Length = windowStart + at + (keepStop ? stop.Length : 0);
            SettledLength = _text.Length;
            return stop;
        }
        SettledLength = Math.Max(SettledLength, _text.Length - PendingLength(window));
        return null;
    }

    /// <summary>Whether this text would complete a stop string, were it added.</summary>
    public bool WouldStop(string text)
    {
        int start = Math.Max(0, _text.Length - _longest + 1);
        return Earliest(_text.ToString(start, _text.Length - start) + text).Stop is not null;
    }

    /// <summary>Nothing follows: what was held back is text after all.</summary>
    public void Settle() => SettledLength = _text.Length;

    /// <summary>Settled text from a position on.</summary>
    public string Settled(int start) => _text.ToString(start, SettledLength - start);

    private (int At, string? Stop) Earliest(string window)
    {
        int at = int.MaxValue;
        string? found = null;
        foreach (string stop in stops)
        {
            int index = window.IndexOf(stop, StringComparison.Ordinal);
            if (index >= 0 && index < at)
                (at, found) = (index, stop);
        }
        return (at, found);
    }

    /// <summary>Length of the longest suffix that starts a stop string.</summary>
    private int PendingLength(string window)
    {
        for (int length = Math.Min(window.Length, _longest - 1); length > 0; length--)
        {
            ReadOnlySpan<char> suffix = window.AsSpan(window.Length - length);
            foreach (string stop in stops)
            {
                if (stop.Length > length && stop.AsSpan().StartsWith(suffix, StringComparison.Ordinal))
                    return length;
            }
        }
        return 0;
    }
}

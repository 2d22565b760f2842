namespace PdEngine;

/// <summary>Walks a text as alternating plain stretches and added tokens.</summary>
internal ref struct AddedTokenCursor
{
    private readonly AddedTokenMatcher _matcher;
    private readonly ReadOnlySpan<byte> _text;
    private AddedToken? _waiting;
    private int _searched;
    private int _done;
    private int _waitingEnd;

    public AddedTokenCursor(AddedTokenMatcher matcher, ReadOnlySpan<byte> text)
    {
        _matcher = matcher;
        _text = text;
    }

    /// <summary>The added token that was met, or null on a plain stretch.</summary>
    public AddedToken? Token { get; private set; }

    /// <summary>Start of the plain stretch.</summary>
    public int Start { get; private set; }

    /// <summary>End of the plain stretch.</summary>
    public int End { get; private set; }

    public bool MoveNext()
    {
        if (_waiting is not null)
            return TakeWaiting();
        while (_matcher.Find(_text, _searched, out int start, out int end) is { } found)
        {
            // A match that is refused is spent: no shorter token is tried in its place.
            _searched = end;
            if (found.SingleWord && TouchesWord(start, end))
                continue;
            if (found.StripsLeft)
                start = SkipSpaceBefore(start);
            if (found.StripsRight)
                end = SkipSpaceBehind(end);
            (_waiting, _waitingEnd) = (found, end);
            return start > _done ? TakePlain(start) : TakeWaiting();
        }
        return _done < _text.Length && TakePlain(_text.Length);
    }

    private bool TakePlain(int end)
    {
        (Token, Start, End) = (null, _done, end);
        _done = end;
        return true;
    }

    private bool TakeWaiting()
    {
        (Token, _waiting) = (_waiting, null);
        _done = _waitingEnd;
        return true;
    }

    private readonly bool TouchesWord(int start, int end) =>
        (start > 0 && CodePointClass.IsWord(Utf8.DecodeBefore(_text, start, out _)))
        || (end < _text.Length && CodePointClass.IsWord(Utf8.Decode(_text, end, out _)));

    private readonly int SkipSpaceBefore(int at)
    {
        while (at > _done
            && (CodePointClass.Of(Utf8.DecodeBefore(_text, at, out int length)) & CodePointClass.Space) != 0)
            at -= length;
        return at;
    }

    private readonly int SkipSpaceBehind(int at) => Scan.AnyOf(_text, at, CodePointClass.Space);
}

using System.Buffers;

namespace PdEngine;

/// <summary>Finds added tokens in text: leftmost, and of those the longest. A trie over bytes.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly Dictionary<long, int> _children = [];
    private readonly List<AddedToken?> _tokens = [null];
    private readonly SearchValues<byte> _firstBytes;

    /// <param name="tokens">Tokens, each with the spelling to look for; empty spellings never match.</param>
    public AddedTokenMatcher(IEnumerable<(byte[] Spelling, AddedToken Token)> tokens)
    {
        HashSet<byte> first = [];
        foreach ((byte[] spelling, AddedToken token) in tokens)
        {
            if (spelling.Length == 0)
                continue;
            first.Add(spelling[0]);
            int node = 0;
            foreach (byte value in spelling)
                node = Child(node, value);
            _tokens[node] = token;
        }
        _firstBytes = SearchValues.Create([.. first]);
    }

    public bool IsEmpty => _tokens.Count == 1;

    /// <summary>The next match that begins at <paramref name="from"/> or later.</summary>
    public AddedToken? Find(ReadOnlySpan<byte> text, int from, out int start, out int end)
    {
        (start, end) = (from, from);
        while (start < text.Length)
        {
            int skip = text[start..].IndexOfAny(_firstBytes);
            if (skip < 0)
                break;
            start += skip;
            if (LongestAt(text, start, out end) is { } token)
                return token;
            start++;
        }
        return null;
    }

    private AddedToken? LongestAt(ReadOnlySpan<byte> text, int start, out int end)
    {
        AddedToken? longest = null;
        end = start;
        int node = 0;
        for (int at = start; at < text.Length && _children.TryGetValue(Key(node, text[at]), out node); at++)
        {
            if (_tokens[node] is { } token)
                (longest, end) = (token, at + 1);
        }
        return longest;
    }

    private int Child(int node, byte value)
    {
        if (!_children.TryGetValue(Key(node, value), out int child))
        {
            child = _tokens.Count;
            _tokens.Add(null);
            _children.Add(Key(node, value), child);
        }
        return child;
    }

    private static long Key(int node, byte value) => ((long)node << 8) | value;
}

using System.Text;

namespace PdEngine;

/// <summary>Collects a vocabulary and its merges, resolves names to ids, and makes the model.</summary>
internal sealed class BpeModelBuilder(string path, bool byteLevel)
{
    private const int ShownBytes = 64;

    private readonly TokenTable _pieces = new();
    private readonly TokenTable _unspellable = new();
    private readonly List<(int Left, int Right, int Rank, int Merged)> _merges = [];
    private readonly ByteBuffer _key = new();
    private int _idLimit;

    /// <summary>
    /// Whether a merge joins a token that ends before a space marker with one that begins with it. Where none
    /// does,
    /// text may be cut there without changing any result.
    /// </summary>
    public bool MergesAcrossMarker { get; private set; }

    /// <summary>Ids by piece, for symbols.</summary>
    public TokenTable Pieces => _pieces;

    /// <summary>Makes room for that many tokens at once.</summary>
    public void EnsureCapacity(int tokens) => _pieces.EnsureCapacity(tokens);

    /// <summary>Adds a token that merging may meet.</summary>
    /// <param name="text">As the file spells it.</param>
    /// <param name="id">Its id, which is in range.</param>
    public void AddToken(ReadOnlySpan<byte> text, int id)
    {
        _key.Clear();
        bool isPiece = TryAppendKey(text);
        // What the byte alphabet cannot spell never comes out of merging; its name may still be in a merge.
        TokenTable table = isPiece ? _pieces : _unspellable;
        if (!table.TryAdd(isPiece ? _key.Written : text, id))
            throw new CheckpointException(path, $"two tokens are '{Show(text)}'");
        _idLimit = Math.Max(_idLimit, id + 1);
    }

    /// <summary>
    /// Adds a merge; lower ranks come first, the last of several merges of one pair counts.
    /// </summary>
    /// <exception cref="CheckpointException">A token is not in the vocabulary.</exception>
    public void AddMerge(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, int rank)
    {
        if (left.IsEmpty || right.IsEmpty)
            throw new CheckpointException(path, $"merge {rank} joins an empty token");
        _key.Clear();
        bool hasLeft = TryAppendKey(left);
        int leftLength = _key.Written.Length;
        if (!hasLeft || !TryAppendKey(right))
        {
            Require(left, rank);
            Require(right, rank);
            return;
        }
        ReadOnlySpan<byte> whole = _key.Written;
        if (!_pieces.TryFind(whole[..leftLength], out int leftId))
            throw Unknown(left, rank);
        if (!_pieces.TryFind(whole[leftLength..], out int rightId))
            throw Unknown(right, rank);
        if (!_pieces.TryFind(whole, out int merged))
            throw Unknown([.. left, .. right], rank);
        _merges.Add((leftId, rightId, rank, merged));
        if (!byteLevel && right.StartsWith(MarkerScanner.Marker) && !left.EndsWith(MarkerScanner.Marker))
            MergesAcrossMarker = true;
    }

    /// <summary>The model over what was added.</summary>
    public BpeModel Build(ISymbols symbols, bool ignoreMerges)
    {
        MergeTable merges = new(_merges.Count);
        foreach ((int left, int right, int rank, int merged) in _merges)
            merges.Set(left, right, rank, merged);
        return new BpeModel(_pieces, merges, symbols, ignoreMerges, _idLimit);
    }

    /// <summary>Id of a token by its spelling in the file.</summary>
    public bool TryFind(ReadOnlySpan<byte> text, out int id)
    {
        _key.Clear();
        return TryAppendKey(text)
            ? _pieces.TryFind(_key.Written, out id)
            : _unspellable.TryFind(text, out id);
    }

    private bool TryAppendKey(ReadOnlySpan<byte> text)
    {
        int count = text.Length;
        Span<byte> space = _key.Reserve(count);
        if (!byteLevel)
            text.CopyTo(space);
        else if (!ByteAlphabet.TryDecode(text, space, out count))
            return false;
        _key.Advance(count);
        return true;
    }

    private void Require(ReadOnlySpan<byte> token, int rank)
    {
        if (!TryFind(token, out _))
            throw Unknown(token, rank);
    }

    private CheckpointException Unknown(ReadOnlySpan<byte> token, int rank) =>
        new(path, $"merge {rank} names '{Show(token)}', which is not in the vocabulary");

    /// <summary>The start of a token's text, for messages.</summary>
    internal static string Show(ReadOnlySpan<byte> text) =>
        Encoding.UTF8.GetString(text.Length <= ShownBytes ? text : text[..ShownBytes]);
}

namespace PdEngine;

/// <summary>The bytes that each id decodes to; read-only and shared by all decoders of a tokenizer.</summary>
internal sealed class TokenBytes
{
    [Flags]
    private enum Traits : byte
    {
        None = 0,
        Known = 1,
        Special = 2,
        LoneByte = 4,
    }

    private readonly ByteBuffer _bytes = new();
    private readonly int[] _starts;
    private readonly Traits[] _traits;
    private readonly TokenTexts _texts;

    public TokenBytes(TokenTexts texts, IReadOnlyList<AddedToken> added, DecoderRules rules)
    {
        _texts = texts;
        Rules = rules;
        _starts = new int[texts.IdLimit + 1];
        _traits = new Traits[texts.IdLimit];
        byte[] space = [];
        for (int id = 0; id < texts.IdLimit; id++)
        {
            ReadOnlySpan<byte> text = texts.Text(id);
            if (space.Length < text.Length)
                space = new byte[text.Length * 2];
            _traits[id] = texts.Has(id) ? Traits.Known : Traits.None;
            Add(text, space, id);
            _starts[id + 1] = _bytes.Written.Length;
        }
        foreach (AddedToken token in added.Where(token => token.Special))
            _traits[token.Id] |= Traits.Special;
    }

    public DecoderRules Rules { get; }

    public bool IsKnown(int id) => (uint)id < (uint)_traits.Length && (_traits[id] & Traits.Known) != 0;

    public bool IsSpecial(int id) => IsKnown(id) && (_traits[id] & Traits.Special) != 0;

    /// <summary>Whether the id is a byte that counts only together with its neighbours.</summary>
    public bool IsLoneByte(int id) => IsKnown(id) && (_traits[id] & Traits.LoneByte) != 0;

    /// <summary>A token's bytes; empty for an id without a token.</summary>
    public ReadOnlySpan<byte> Of(int id) =>
        IsKnown(id) ? _bytes.Written[_starts[id].._starts[id + 1]] : default;

    /// <summary>Writes the bytes of the first token of a text.</summary>
    public void WriteFirst(int id, ByteBuffer output)
    {
        if (!Rules.FirstDropsMarkers)
        {
            output.Add(Of(id));
            return;
        }
        ReadOnlySpan<byte> text = _texts.Text(id);
        for (int at = text.IndexOf(MarkerScanner.Marker); at >= 0; at = text.IndexOf(MarkerScanner.Marker))
        {
            output.Add(text[..at]);
            text = text[(at + MarkerScanner.Marker.Length)..];
        }
        output.Add(text);
    }

    private void Add(ReadOnlySpan<byte> text, byte[] space, int id)
    {
        if (Rules.ByteLevel)
        {
            // A token with any character outside the alphabet stands for its own text.
            _bytes.Add(ByteAlphabet.TryDecode(text, space, out int count) ? space.AsSpan(0, count) : text);
            return;
        }
        if (Rules.ByteFallback && ByteToken.TryParse(text, out byte value))
        {
            _traits[id] |= Traits.LoneByte;
            _bytes.Add(value);
            return;
        }
        for (int at = text.IndexOf(MarkerScanner.Marker); Rules.MarkerToSpace && at >= 0;
            at = text.IndexOf(MarkerScanner.Marker))
        {
            _bytes.Add(text[..at]);
            _bytes.Add((byte)' ');
            text = text[(at + MarkerScanner.Marker.Length)..];
        }
        _bytes.Add(text);
    }
}

using System.Text;

namespace PdEngine;

/// <summary>
/// Text to ids: added tokens in the raw text, normalizer, added tokens in the normalized text, pre-tokenizer,
/// model.
/// </summary>
internal sealed class TextEncoder
{
    private readonly AddedTokenMatcher _raw;
    private readonly AddedTokenMatcher _normalized;
    private readonly NormalizerStep[] _normalizer;
    private readonly MetaspaceRule? _metaspace;
    private readonly PieceScanner[] _scanners;
    private readonly BpeModel _model;

    public TextEncoder(
        IReadOnlyList<AddedToken> added, NormalizerStep[] normalizer, MetaspaceRule? metaspace,
        PieceScanner[] scanners, BpeModel model)
    {
        (_normalizer, _metaspace, _scanners, _model) = (normalizer, metaspace, scanners, model);
        EncodeScratch scratch = new();
        _raw = new(added.Where(token => !token.Normalized).Select(token => (token.Content, token)));
        _normalized = new(added.Where(token => token.Normalized)
            .Select(token => (Normalize(token.Content, scratch).ToArray(), token)));
    }

    /// <summary>Adds a text's ids to the scratch.</summary>
    public void Encode(string text, bool parseAddedTokens, EncodeScratch scratch)
    {
        ByteBuffer buffer = scratch.Text;
        buffer.Clear();
        // Lone surrogates become U+FFFD here, as they do on every path into the reference.
        Span<byte> space = buffer.Reserve(Encoding.UTF8.GetByteCount(text));
        buffer.Advance(Encoding.UTF8.GetBytes(text, space));
        ReadOnlySpan<byte> utf8 = buffer.Written;
        if (!parseAddedTokens)
        {
            EncodePlain(Normalize(utf8, scratch), isFirst: true, scratch);
            return;
        }
        AddedTokenCursor cursor = new(_raw, utf8);
        while (cursor.MoveNext())
        {
            if (cursor.Token is { } token)
                scratch.Add(token.Id);
            else
                EncodeStretch(utf8[cursor.Start..cursor.End], cursor.Start == 0, scratch);
        }
    }

    private void EncodeStretch(ReadOnlySpan<byte> raw, bool isFirst, EncodeScratch scratch)
    {
        ReadOnlySpan<byte> text = Normalize(raw, scratch);
        AddedTokenCursor cursor = new(_normalized, text);
        while (cursor.MoveNext())
        {
            if (cursor.Token is { } token)
                scratch.Add(token.Id);
            else
                EncodePlain(text[cursor.Start..cursor.End], isFirst && cursor.Start == 0, scratch);
        }
    }

    private void EncodePlain(ReadOnlySpan<byte> text, bool isFirst, EncodeScratch scratch)
    {
        if (text.IsEmpty)
            return;
        if (_metaspace is not null)
            text = _metaspace.Apply(text, isFirst, scratch.Marked);
        Split(text, 0, scratch);
    }

    // Each scanner sees only what the one before it cut out, so its look-ahead ends there too.
    private void Split(ReadOnlySpan<byte> text, int stage, EncodeScratch scratch)
    {
        PieceScanner scanner = _scanners[stage];
        bool isLast = stage == _scanners.Length - 1;
        for (int start = 0; start < text.Length;)
        {
            int end = scanner.Next(text, start);
            ReadOnlySpan<byte> piece = text[start..end];
            if (isLast)
                _model.Encode(piece, scratch);
            else
                Split(piece, stage + 1, scratch);
            start = end;
        }
    }

    private ReadOnlySpan<byte> Normalize(ReadOnlySpan<byte> text, EncodeScratch scratch)
    {
        int target = 0;
        foreach (NormalizerStep step in _normalizer)
        {
            ByteBuffer output = scratch.Normalized[target];
            output.Clear();
            if (!step.TryChange(text, output))
                continue;
            text = output.Written;
            target = 1 - target;
        }
        return text;
    }
}

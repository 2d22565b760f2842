namespace PdEngine;

/// <summary>When a Metaspace pre-tokenizer puts its marker before a stretch of text.</summary>
internal enum MetaspacePrepend
{
    Never,
    First,
    Always,
}

/// <summary>Spaces become the marker U+2581, which may also be put in front.</summary>
internal sealed class MetaspaceRule(MetaspacePrepend prepend)
{
    private static readonly ReplaceStep SpaceToMarker = new([(byte)' '], MarkerScanner.Marker.ToArray());

    /// <summary>Writes the marked text; <paramref name="isFirst"/> where it starts the whole text.</summary>
    public ReadOnlySpan<byte> Apply(ReadOnlySpan<byte> text, bool isFirst, ByteBuffer output)
    {
        output.Clear();
        bool wanted = prepend == MetaspacePrepend.Always || (prepend == MetaspacePrepend.First && isFirst);
        if (wanted && text[0] != ' ' && !text.StartsWith(MarkerScanner.Marker))
            output.Add(MarkerScanner.Marker);
        if (!SpaceToMarker.TryChange(text, output))
            output.Add(text);
        return output.Written;
    }
}

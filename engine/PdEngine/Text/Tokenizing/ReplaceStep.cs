namespace PdEngine;

/// <summary>Puts one code point in place of another.</summary>
internal sealed class ReplaceStep(byte[] pattern, byte[] content) : NormalizerStep
{
    public override bool TryChange(ReadOnlySpan<byte> text, ByteBuffer output)
    {
        int skip = text.IndexOf(pattern);
        if (skip < 0)
            return false;
        while (skip >= 0)
        {
            output.Add(text[..skip]);
            output.Add(content);
            text = text[(skip + pattern.Length)..];
            skip = text.IndexOf(pattern);
        }
        output.Add(text);
        return true;
    }
}

namespace PdEngine;

/// <summary>Puts a prefix before text that is not empty.</summary>
internal sealed class PrependStep(byte[] prefix) : NormalizerStep
{
    public override bool TryChange(ReadOnlySpan<byte> text, ByteBuffer output)
    {
        if (text.IsEmpty)
            return false;
        output.Add(prefix);
        output.Add(text);
        return true;
    }
}

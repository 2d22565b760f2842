namespace PdEngine;

/// <summary>Normalization form C.</summary>
internal sealed class NfcStep : NormalizerStep
{
    public override bool TryChange(ReadOnlySpan<byte> text, ByteBuffer output) =>
        NfcNormalizer.TryNormalize(text, output);
}

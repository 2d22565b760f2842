namespace PdEngine;

/// <summary>One step of a tokenizer's normalizer, over well-formed UTF-8.</summary>
internal abstract class NormalizerStep
{
    /// <summary>
    /// Writes the changed text to an empty buffer; false, with nothing to read there, where none changes.
    /// </summary>
    public abstract bool TryChange(ReadOnlySpan<byte> text, ByteBuffer output);
}

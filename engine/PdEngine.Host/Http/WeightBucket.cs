namespace PdEngine.Host;

/// <summary>The weights of one body.</summary>
/// <param name="Files">Safetensors.</param>
/// <param name="Names">Of their tensors.</param>
internal sealed record WeightBucket(ReadOnlyMemory<byte>[] Files, IReadOnlyCollection<string> Names)
{
    /// <exception cref="WeightUpdateException">A tensor is there twice.</exception>
    /// <exception cref="CheckpointException">A file is malformed.</exception>
    public static WeightBucket Of(ReadOnlyMemory<byte>[] files)
    {
        using WeightUpdate update = WeightUpdate.FromSafetensors(files, isPartial: true);
        return new WeightBucket(files, update.Names);
    }
}

namespace PdEngine;

/// <summary>
/// Copies KV blocks from the memory of one worker to that of another, head by head where the two are
/// sharded differently. Called by the thread of the worker that receives.
/// </summary>
internal interface IKvTransfer
{
    /// <summary>Layers of a block; a copy may take some of them.</summary>
    int LayerCount { get; }

    /// <summary>Bytes of one block over all layers, as the receiver holds them.</summary>
    long BlockBytes { get; }

    /// <summary>Copies layers [firstLayer, firstLayer + layerCount) of source[i] to target[i].</summary>
    /// <param name="source">Blocks of the sender, in order of position.</param>
    /// <param name="target">Blocks of the receiver, as many.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="layerCount">How many.</param>
    /// <returns>Bytes written.</returns>
    long Copy(ReadOnlySpan<int> source, ReadOnlySpan<int> target, int firstLayer, int layerCount);
}

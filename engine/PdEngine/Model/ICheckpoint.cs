namespace PdEngine;

/// <summary>
/// A model's tensors under their Hugging Face names, whatever the file format. Opening one has checked every
/// tensor's presence, shape and extent against <see cref="Config"/>; nothing has been copied yet.
/// </summary>
internal interface ICheckpoint : IDisposable
{
    /// <summary>The folder or file.</summary>
    string Path { get; }

    ModelConfig Config { get; }

    /// <summary>
    /// The tensor's shape, outermost first, or null where the checkpoint has no such tensor.
    /// </summary>
    IReadOnlyList<long>? ShapeOf(string name);

    /// <summary>
    /// Reads elements as float32, exactly as stored or dequantised, in Hugging Face's element order. Safe to
    /// call from several threads at once.
    /// </summary>
    /// <param name="name">
    /// Hugging Face tensor name, for example <c>model.layers.0.self_attn.q_proj.weight</c>.
    /// </param>
    /// <param name="firstElement">Index of the first element in row-major order.</param>
    /// <param name="destination">Filled whole; the range must lie inside the tensor.</param>
    void Read(string name, long firstElement, Span<float> destination);
}

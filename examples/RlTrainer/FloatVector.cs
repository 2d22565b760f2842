namespace PdEngine.Examples;

/// <summary>Floats in native memory, 64-byte aligned: all weights of a model, or their gradients.</summary>
/// <param name="count">How many.</param>
internal sealed unsafe class FloatVector(int count) : IDisposable
{
    private readonly HostBuffer _buffer = HostBuffer.Allocate((long)count * sizeof(float));

    public int Count { get; } = count;

    public float* Address => (float*)_buffer.Address;

    public Span<float> Values => new(Address, Count);

    /// <summary>A run of the vector as a matrix [rows, columns] that shares its memory.</summary>
    public FloatMatrix Matrix(int offset, int rows, int columns)
    {
        Check.That(offset >= 0 && offset + (rows * columns) <= Count);
        return new(Address + offset, rows, columns, columns);
    }

    public void Dispose() => _buffer.Dispose();
}

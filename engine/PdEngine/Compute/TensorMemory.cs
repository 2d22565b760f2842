namespace PdEngine;

/// <summary>What a tensor's elements lie in: the host's memory, or a device's.</summary>
internal abstract class TensorMemory : IDisposable
{
    /// <summary>Address of the first element, for whoever computes with it.</summary>
    public abstract nint Address { get; }

    /// <summary>The host may read and write at the address.</summary>
    public abstract bool IsHost { get; }

    /// <summary>
    /// Takes elements in, before the next op; not while another thread's ops use the tensor.
    /// </summary>
    public abstract void Write(long firstElement, ReadOnlySpan<float> values);

    /// <summary>Gives elements out, after all ops so far.</summary>
    public abstract void Read(long firstElement, Span<float> values);

    public abstract void Dispose();
}

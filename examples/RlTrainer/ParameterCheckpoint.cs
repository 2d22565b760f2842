namespace PdEngine.Examples;

/// <summary>Parameters in memory as a checkpoint, so that the engine loads them as it loads a file.</summary>
/// <param name="layout">Of the parameters.</param>
/// <param name="values">Their values; not owned.</param>
internal sealed class ParameterCheckpoint(ParameterLayout layout, FloatVector values) : ICheckpoint
{
    public string Path => "the trainer's weights";

    public ModelConfig Config => layout.Config;

    public IReadOnlyList<long>? ShapeOf(string name) => layout.Find(name)?.Shape;

    public void Read(string name, long firstElement, Span<float> destination)
    {
        ParameterSlot slot = layout.Find(name)!;
        Check.That(firstElement >= 0 && firstElement + destination.Length <= slot.Count);
        values.Values.Slice(slot.Offset + (int)firstElement, destination.Length).CopyTo(destination);
    }

    public void Dispose()
    {
    }
}

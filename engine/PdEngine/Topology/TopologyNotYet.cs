namespace PdEngine;

/// <summary>Something that a topology asks for and this engine cannot do yet.</summary>
/// <param name="Service">Name of the service that asks.</param>
/// <param name="Where">The service and group that ask.</param>
/// <param name="What">What they ask for.</param>
/// <param name="ChangesResults">
/// Whether going on without it would change tokens or the memory format; what loads weights refuses then.
/// </param>
/// <param name="Line">Line in the file; null where a flag asks.</param>
public sealed record TopologyNotYet(
    string Service, string Where, string What, bool ChangesResults, int? Line);

/// <summary>Something a reader of a topology should know; nothing is refused for it.</summary>
/// <param name="Line">Line in the file, or null.</param>
/// <param name="Text">What was noticed.</param>
public sealed record TopologyWarning(int? Line, string Text)
{
    /// <summary>It holds of CPU devices alone; an engine that runs on them says so itself.</summary>
    public bool IsOfCpuDevices { get; init; }
}

namespace PdEngine;

/// <summary>One worker of a server group and the devices it owns.</summary>
/// <param name="Index">Number of the worker within its service, from 0.</param>
/// <param name="Devices">Device numbers, ascending, over the whole topology, from 0.</param>
public sealed record WorkerPlacement(int Index, IReadOnlyList<int> Devices);

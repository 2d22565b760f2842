namespace PdEngine.Bench;

/// <summary>A row that is still to be computed.</summary>
/// <param name="Name">Of the row.</param>
/// <param name="Run">Computes it.</param>
internal sealed record CheckCase(string Name, Func<CheckRow> Run);

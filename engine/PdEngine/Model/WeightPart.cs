namespace PdEngine;

/// <summary>Rows of one weight of a checkpoint.</summary>
/// <param name="Name">Less <c>.weight</c> or <c>.bias</c>.</param>
/// <param name="FirstRow">First row.</param>
/// <param name="Rows">How many.</param>
internal readonly record struct WeightPart(string Name, int FirstRow, int Rows);

/// <summary>Columns of a weight of a checkpoint.</summary>
/// <param name="Total">Columns that it has.</param>
/// <param name="First">First that is taken.</param>
/// <param name="Count">How many are.</param>
internal readonly record struct WeightColumns(int Total, int First, int Count)
{
    public static WeightColumns All(int total) => new(total, 0, total);
}

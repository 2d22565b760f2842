namespace PdEngine.Host;

/// <summary>How far weights are that come in several bodies.</summary>
internal static class TensorsSoFar
{
    /// <param name="comeCount">Tensors that are there.</param>
    /// <param name="count">All of them.</param>
    /// <param name="missing">The first of the others.</param>
    /// <param name="since">From when on they count.</param>
    public static string Say(int comeCount, int count, string missing, string since) =>
        $"{comeCount} of {count} tensors have come {since}, '{missing}' is the first of those missing";
}

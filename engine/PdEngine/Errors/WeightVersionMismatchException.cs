namespace PdEngine;

/// <summary>Weights of one version were asked for, and those at hand are of another.</summary>
public sealed class WeightVersionMismatchException : PdEngineException
{
    internal WeightVersionMismatchException(string wanted, string present, bool isPast = true)
        : base($"Weights of version '{wanted}' are asked for, and the service has those of '{present}': that "
            + $"version {(isPast ? "is past" : "has not come yet")}; ask for the present one.")
    {
        Wanted = wanted;
        Present = present;
    }

    internal WeightVersionMismatchException(string message, string wanted, string present)
        : base(message)
    {
        Wanted = wanted;
        Present = present;
    }

    /// <summary>The version asked for.</summary>
    public string Wanted { get; }

    /// <summary>The version that the service has.</summary>
    public string Present { get; }
}

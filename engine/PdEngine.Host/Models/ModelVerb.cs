using System.CommandLine;

namespace PdEngine.Host;

/// <summary><c>pdengine model</c>: checkpoints as files.</summary>
internal static class ModelVerb
{
    public static Command Create() => new("model", "Looks at checkpoints, fetches and converts them.")
    {
        ModelShowVerb.Create(), ModelPullVerb.Create(), ModelConvertVerb.Create(),
    };
}

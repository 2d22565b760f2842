using System.Reflection;

namespace PdEngine.Host;

/// <summary>pd-tiny, which is inside the command: the model of verbs that are given none.</summary>
internal static class DefaultModel
{
    /// <summary>Stands where a path would.</summary>
    public const string Name = "embedded:pd-tiny";

    private const string ResourceFolder = "pd-tiny/";

    /// <summary>Its files, as they are in models/pd-tiny.</summary>
    public static MemoryFolder Open()
    {
        Assembly command = typeof(DefaultModel).Assembly;
        Dictionary<string, ReadOnlyMemory<byte>> files = new(StringComparer.Ordinal);
        foreach (string resource in command.GetManifestResourceNames())
        {
            if (!resource.StartsWith(ResourceFolder, StringComparison.Ordinal))
                continue;
            using Stream content = command.GetManifestResourceStream(resource)!;
            byte[] bytes = new byte[content.Length];
            content.ReadExactly(bytes);
            files.Add(resource[ResourceFolder.Length..], bytes);
        }
        return new MemoryFolder(Name, files);
    }
}

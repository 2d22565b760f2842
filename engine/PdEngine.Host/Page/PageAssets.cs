using System.Text;

namespace PdEngine.Host;

/// <summary>
/// The files of the page, out of this assembly. Those that pages load lie under a folder that is named after
/// the content of all of them, so that browsers may keep them for good.
/// </summary>
internal static class PageAssets
{
    private const string Place = "page/";

    /// <summary>What a form for a key needs, and so is open to those who have none.</summary>
    private static readonly string[] OpenNames = ["login.js", "page.css", "icon.svg"];

    private static readonly SortedDictionary<string, byte[]> Files = Load();

    /// <summary>Changes with any of them.</summary>
    public static string Build { get; } = Convert.ToHexStringLower(Sha256.Of(
        [.. Files.SelectMany(file => Encoding.UTF8.GetBytes(file.Key).Concat(file.Value))]))[..16];

    /// <summary>Loads its scripts and styles from the folder of this build.</summary>
    public static byte[] Page { get; } = Html("index.html");

    /// <summary>Asks for a key.</summary>
    public static byte[] Form { get; } = Html("login.html");

    /// <summary>What pages load: where from, what, and who may.</summary>
    public static IEnumerable<(string Path, string Type, byte[] Bytes, bool IsOpen)> All =>
        Files.Where(file => TypeOf(file.Key) is not null).Select(file => (
            $"/{Place}{Build}/{file.Key}", TypeOf(file.Key)!, file.Value, OpenNames.Contains(file.Key)));

    private static SortedDictionary<string, byte[]> Load()
    {
        System.Reflection.Assembly assembly = typeof(PageAssets).Assembly;
        SortedDictionary<string, byte[]> files = new(StringComparer.Ordinal);
        foreach (string name in assembly.GetManifestResourceNames())
        {
            if (!name.StartsWith(Place, StringComparison.Ordinal))
                continue;
            using Stream stream = assembly.GetManifestResourceStream(name)!;
            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            files.Add(name[Place.Length..], bytes);
        }
        return files;
    }

    private static byte[] Html(string name) => Encoding.UTF8.GetBytes(
        Encoding.UTF8.GetString(Files[name]).Replace("{build}", Build, StringComparison.Ordinal));

    private static string? TypeOf(string name) => Path.GetExtension(name) switch
    {
        ".js" => "text/javascript; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".svg" => "image/svg+xml",
        _ => null,
    };
}

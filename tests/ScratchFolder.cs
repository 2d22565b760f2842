using System.Diagnostics;

namespace PdEngine.Tests;

/// <summary>
/// Where the tests of this process put their files: those of an earlier process of the same number are not
/// taken for their own, and none of them stay.
/// </summary>
[SetUpFixture]
public sealed class ScratchFolder
{
    private static string Folder =>
        Path.Combine(Path.GetTempPath(), "pdengine-tests", $"{Environment.ProcessId}");

    [OneTimeSetUp]
    public void RemoveWhatIsOld()
    {
        using Process self = Process.GetCurrentProcess();
        // What looking for tests has made is of this process.
        if (Directory.Exists(Folder) && Directory.GetLastWriteTime(Folder) < self.StartTime)
            Directory.Delete(Folder, recursive: true);
    }

    [OneTimeTearDown]
    public void RemoveAll()
    {
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
    }
}

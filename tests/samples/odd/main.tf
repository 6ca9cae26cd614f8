# Everything that is worth a word.
data "coder_workspace_preset" "lists" {
  name       = "lists"
  parameters = { kind = "lists" }
  prebuilds {
    instances = 0
    expiration_policy {
      ttl = 3600
    }
    scheduling {
      timezone = "Europe/Berlin"
      schedule {
        cron      = "* 8,18 * * 1,5"
        instances = 4
      }
      schedule {
        cron      = "* 1 30 2 *"
        instances = 2
      }
      schedule {
        cron      = "* 9 1 * 1"
        instances = 3
      }
      schedule {
        cron      = "* 9-10 * 2 3"
        instances = 6
      }
    }
  }
}

data "coder_workspace_preset" "overlapping" {
  name       = "overlapping"
  parameters = { kind = "overlapping" }
  prebuilds {
    instances = 1
    scheduling {
      timezone = "Africa/Cairo"
      schedule {
        cron      = "* 0-9 1 * 1"
        instances = 5
      }
      schedule {
        cron      = "* 8-9 * * 2"
        instances = 2
      }
    }
  }
}

variable "night" {
  default = 0
}

data "coder_workspace_preset" "large" {
  name       = "large"
  parameters = { size = "large", region = "us" }
  prebuilds {
    instances = var.night
    expiration_policy {
      ttl = 14400
    }
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-16 * * 1-5"
        instances = 4
      }
      schedule {
        cron      = "* 1-2 * * 0"
        instances = 1
      }
    }
  }
}

data "coder_workspace_preset" "gpu" {
  name       = "gpu"
  parameters = { size = "gpu" }
  prebuilds {
    instances = 1
  }
}
